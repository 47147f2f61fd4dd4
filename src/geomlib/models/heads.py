"""Projection heads: by their depth, or fixed weights that nothing trains."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least, positive


def head_of_depth(
    depth: int,
    *,
    num_inputs: int,
    width: int,
    num_outputs: int,
    seed: int,
    activation: Callable[[], nn.Module] = nn.SiLU,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Head with ``depth`` affine layers and an activation between them, seeded.

    The global random state is left as it was.

    Args:
        depth: 0 is no head at all (the output is the input, ``num_outputs`` is not
            used), 1 an affine map, 2 has one hidden layer, and so on.
        num_inputs: Width of the representation.
        width: Width of every hidden layer.
        num_outputs: Width of the embedding.
        seed: Seed of the initial weights (PyTorch's default initialisation).
        activation: Makes what stands after each hidden layer.
        batch_norm: Normalise each hidden layer over the batch, before the activation.
            In training mode such a head mixes samples and has no metric per sample.

    Raises:
        ValueError: If ``depth`` is negative or a width is below 1.

    >>> [len(head_of_depth(depth, num_inputs=2, width=8, num_outputs=4, seed=0))
    ...  for depth in range(4)]
    [0, 1, 3, 5]
    """
    at_least("depth", depth, 0)
    for name, size in (
        ("num_inputs", num_inputs),
        ("width", width),
        ("num_outputs", num_outputs),
    ):
        at_least(name, size, 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        narrow = num_inputs
        for _ in range(depth - 1):
            layers.append(nn.Linear(narrow, width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(activation())
            narrow = width
        if depth:
            layers.append(nn.Linear(narrow, num_outputs))
    return nn.Sequential(*layers)


class ReweightingHead(nn.Module):
    r"""Head that divides dimension i by :math:`\kappa^i`, and learns nothing.

    Dimensions weigh less and less from first to last, as if a trained head had preferred
    some features to others; which feature goes where is left to the encoder.

    Args:
        kappa: :math:`\kappa`, above 0; 1 changes nothing.
        num_features: Width of the representation, and of the embedding.

    Raises:
        ValueError: If ``kappa`` is not positive and finite, or there is no feature.

    Source: Xue et al. 2024 (arXiv:2403.11391); dimensions are counted from 0, as in the
    authors' code.

    >>> ReweightingHead(2.0, 3)(torch.ones(1, 3))
    tensor([[1.0000, 0.5000, 0.2500]])
    """

    weights: Float[Tensor, " d"]

    def __init__(self, kappa: float, num_features: int) -> None:
        super().__init__()
        positive("kappa", kappa)
        at_least("num_features", num_features, 1)
        powers = torch.arange(num_features, dtype=torch.float64)
        self.register_buffer("weights", (kappa**-powers).float())

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Representations with every dimension divided by its power."""
        return h * self.weights

    @property
    def num_kept(self) -> float:
        r"""Dimensions that it keeps, were all alike before: the participation ratio.

        :math:`(\sum_i \kappa^{-2i})^2 / \sum_i \kappa^{-4i}`, in a wide representation
        :math:`(\kappa^2 + 1) / (\kappa^2 - 1)`.

        >>> round(ReweightingHead(1.2, 64).num_kept, 1)
        5.5
        """
        energy = self.weights.double().square()
        return float(energy.sum().square() / energy.square().sum())
