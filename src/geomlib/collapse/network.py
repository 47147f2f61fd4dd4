r"""A linear backbone under a head of one hidden layer, two views and a loss.

:math:`h_i = W \phi_i` and :math:`z_i = a_0 + \sum_j a_j\, \sigma(B_j \cdot h_i + b_j)`.
The parameters are named tensors: ``backbone`` W, of shape [p, d]; ``weights`` B, [m, p];
``biases`` b, [m]; ``outputs``, whose columns are :math:`a_j`, [k, m]; ``offset``
:math:`a_0`, [k]. They may all have the same leading dimensions, one network each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least
from geomlib.collapse.activations import Activation

Parameters = Mapping[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Network:
    r"""Parameters, and the objective of which they may be a stationary point.

    Attributes:
        parameters: As above.
        views: Inputs :math:`\phi`, one view after the other.
        loss: Scalar function of the embeddings of both views.
        activation: :math:`\sigma`.
        penalty: What the objective adds to the loss, a function of the parameters.
    """

    parameters: dict[str, Tensor]
    views: Float[Tensor, "2 n d"]
    loss: Loss
    activation: Activation
    penalty: Callable[[Parameters], Tensor] | None = None

    def pre_activations(self, parameters: Parameters) -> Float[Tensor, "*q 2 n m"]:
        """What goes into the hidden units, for both views of every sample."""
        return pre_activations(parameters, self.views)

    def embeddings(self, parameters: Parameters) -> Float[Tensor, "*q 2 n k"]:
        """Embeddings of both views of every sample."""
        hidden = self.activation.function(self.pre_activations(parameters))
        return outputs(parameters, hidden)

    def objective(self, parameters: Parameters) -> Float[Tensor, ""]:
        """Loss of the embeddings, plus the penalty if there is one."""
        value = self.loss(*self.embeddings(parameters))
        return value if self.penalty is None else value + self.penalty(parameters)


def pre_activations(
    parameters: Parameters, views: Float[Tensor, "*v 2 n d"]
) -> Float[Tensor, "*q 2 n m"]:
    """What goes into the hidden units; leading dimensions are broadcast."""
    h = views @ parameters["backbone"].mT.unsqueeze(-3)  # [... 2 n p]
    s = h @ parameters["weights"].mT.unsqueeze(-3)  # [... 2 n m]
    return s + parameters["biases"][..., None, None, :]


def outputs(
    parameters: Parameters, hidden: Float[Tensor, "*q 2 n m"]
) -> Float[Tensor, "*q 2 n k"]:
    """Embeddings, of the hidden units' values."""
    z = hidden @ parameters["outputs"].mT.unsqueeze(-3)  # [... 2 n k]
    return z + parameters["offset"][..., None, None, :]


def loss_gradient(network: Network) -> Float[Tensor, "2 n k"]:
    r"""Derivative :math:`G_i` of the loss (not the penalty) in each embedding."""
    z = network.embeddings(network.parameters).detach().requires_grad_()
    return torch.autograd.grad(network.loss(*z), z)[0]


def random_network(
    views: Float[Tensor, "2 n d"],
    loss: Loss,
    activation: Activation,
    *,
    width: int,
    num_units: int,
    num_outputs: int,
    seed: int,
) -> Network:
    r"""Network with Gaussian weights of variance 1 / fan-in, without a penalty.

    Args:
        views: Inputs, one view after the other.
        loss: Scalar function of the embeddings of both views.
        activation: Of the hidden units.
        width: Dimension p of the representation.
        num_units: Hidden units m.
        num_outputs: Dimension k of the embedding.
        seed: Of the weights.

    Raises:
        ValueError: If a size is below 1.
    """
    for name, size in (
        ("width", width),
        ("num_units", num_units),
        ("num_outputs", num_outputs),
    ):
        at_least(name, size, 1)
    generator = torch.Generator().manual_seed(seed)

    def gaussian(rows: int, columns: int) -> Tensor:
        drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
        return drawn / columns**0.5

    parameters = {
        "backbone": gaussian(width, views.shape[-1]),
        "weights": gaussian(num_units, width),
        "biases": gaussian(num_units, 1)[:, 0] / 2,
        "outputs": gaussian(num_outputs, num_units),
        "offset": torch.zeros(num_outputs, dtype=torch.float64),
    }
    return Network(parameters, views, loss, activation)
