"""Shortest path over a grid in the plane, where a geodesic's descent may start."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.metric.geodesic import Field

# Steps to the neighbours up to a knight's move away; the other half is their negatives.
_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))


@torch.no_grad()
def grid_path(
    metric: Field,
    start: Float[Tensor, "2"],
    end: Float[Tensor, "2"],
    *,
    half_width: float,
    num_cells: int = 60,
) -> Float[Tensor, "_p 2"]:
    """Shortest path from start to end among steps of a square grid, globally.

    Descent on the energy finds a curve near where it starts and may miss the shortest
    one by far; a grid misses by the coarseness of its 16 directions, a few per cent.

    Args:
        metric: Field of matrices, ``[n 2]`` to ``[n 2 2]``, in float64.
        start: First point; the path begins there, then goes by the nearest grid point.
        end: Last point.
        half_width: The grid covers the square of coordinates at most this in size.
        num_cells: Cells along a side.

    Raises:
        ValueError: If a point lies outside the square, ``half_width`` is not positive, or
            there are fewer than two cells.
    """
    at_least("num_cells", num_cells, 2)
    positive("half_width", half_width)
    ends = torch.stack([start, end]).detach().cpu().double()
    if (farthest := float(ends.abs().max())) > half_width:
        raise ValueError(
            f"start and end must lie within half_width = {half_width:g} of 0 in each "
            f"coordinate, got {farthest:g}."
        )
    side = num_cells + 1
    axis = torch.linspace(-half_width, half_width, side).double()
    nodes = torch.cartesian_prod(axis, axis)
    row, column = torch.cartesian_prod(torch.arange(side), torch.arange(side)).unbind(1)
    tails: list[Tensor] = []
    heads: list[Tensor] = []
    for down, right in _STEPS:
        to_row, to_column = row + down, column + right
        inside = (to_row < side) & (to_column >= 0) & (to_column < side)
        tails.append((side * row + column)[inside])
        heads.append((side * to_row + to_column)[inside])
    tail, head = torch.cat(tails), torch.cat(heads)
    steps = nodes[head] - nodes[tail]
    G = metric((nodes[head] + nodes[tail]) / 2)
    # An edge of weight 0 is no edge to scipy.
    lengths = torch.einsum("mi,mij,mj->m", steps, G, steps).clamp_min(1e-30).sqrt()
    graph = coo_matrix(
        (lengths.numpy(), (tail.numpy(), head.numpy())), shape=(len(nodes), len(nodes))
    )
    first, last = torch.cdist(ends, nodes).argmin(1).tolist()
    previous = dijkstra(
        graph.tocsr(), directed=False, indices=first, return_predecessors=True
    )[1]
    path = [last]
    while path[-1] != first:
        path.append(int(np.asarray(previous)[path[-1]]))
    return torch.cat([ends[:1], nodes[path[::-1]], ends[1:]])
