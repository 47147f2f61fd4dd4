"""The loss over a plane of displacements of the collapsed row."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from geomlib.checks import at_least, positive
from geomlib.collapse.mirrored import refuse_broken_mirror
from geomlib.collapse.network import Network


def row_surface(
    network: Network,
    first: Float[Tensor, " d"],
    second: Float[Tensor, " d"],
    *,
    reach: float,
    num_points: int,
) -> Float[Tensor, "n n"]:
    r"""Objective at :math:`W_u = x\,v + y\,w`, less its value at the collapse.

    The rest of the network stands still. To second order this is half the quadratic form
    of ``curvature.backbone_block``; and :math:`(-x, -y)` has the value of :math:`(x, y)`,
    because the network is its own reflection.

    Args:
        network: A mirrored network.
        first: v, the direction of x.
        second: w, the direction of y.
        reach: Largest coordinate; they go from minus this to this.
        num_points: Number n of values of each coordinate; odd, so that 0 is one.

    Returns:
        Values with a row for each y and a column for each x.

    Raises:
        ValueError: If the network is not its own reflection, ``reach`` is not positive,
            or ``num_points`` is even or below 3.
    """
    refuse_broken_mirror(network.parameters)
    positive("reach", reach)
    at_least("num_points", num_points, 3)
    if num_points % 2 == 0:
        raise ValueError(f"num_points must be odd, got {num_points}.")
    steps = torch.linspace(-reach, reach, num_points, dtype=first.dtype)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    rows = x[..., None] * first + y[..., None] * second  # [n n d]

    def objective(row: Float[Tensor, " d"]) -> Float[Tensor, ""]:
        # Not in place, as ``displaced`` is: vmap writes no batch into one tensor.
        above = torch.zeros_like(network.parameters["backbone"][:-1])
        moved = network.parameters["backbone"] + torch.cat([above, row[None]])
        return network.objective({**network.parameters, "backbone": moved})

    heights = vmap(vmap(objective))(rows)
    return heights - heights[num_points // 2, num_points // 2]
