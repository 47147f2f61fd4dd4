"""Batch norm put into an equilibrium so that it changes no embedding."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.collapse.network import Network, Parameters, outputs
from geomlib.collapse.stacked import BATCH_NORM_EPS
from geomlib.hessian.operator import block, hessian

Objective = Callable[[Parameters], Tensor]


def undone_batch_norm(network: Network) -> tuple[Objective, dict[str, Tensor]]:
    r"""Objective with batch norm before the activation, and parameters that undo it.

    Pre-activations are standardised over both views of all samples. With the gain
    :math:`\sqrt{\mathrm{var} + \epsilon}`, and the mean added to the bias, they are what
    they were. The derivatives are others, but for a saturated network the terms that
    batch norm adds are multiples of the saturation matrices, and vanish.

    Args:
        network: Its penalty, if it has one, is left out.

    Returns:
        Function of the parameters, and these, with ``gains`` [m] among them.
    """
    start, views = dict(network.parameters), network.views
    s = network.pre_activations(start) - start["biases"]
    start["biases"] = start["biases"] + s.mean((0, 1))
    start["gains"] = (s.var((0, 1), correction=0) + BATCH_NORM_EPS).sqrt()

    def objective(p: Parameters) -> Float[Tensor, ""]:
        s = views @ p["backbone"].mT @ p["weights"].mT  # [2 n m]
        scale = (s.var((0, 1), correction=0) + BATCH_NORM_EPS).rsqrt()
        s = (s - s.mean((0, 1))) * scale * p["gains"] + p["biases"]
        return network.loss(*outputs(p, network.activation.function(s)))

    return objective, start


def collapsed_block(objective: Objective, at: Parameters) -> Float[Tensor, "d d"]:
    """Hessian of an objective in the last row of the backbone."""
    row = {name: torch.zeros_like(p) for name, p in at.items()}
    row["backbone"][-1] = 1
    mask = torch.cat([p.flatten() for p in row.values()]).bool()
    rows = block(hessian(objective, at), mask)
    return rows.matmat(torch.eye(rows.size).to(at["backbone"]))
