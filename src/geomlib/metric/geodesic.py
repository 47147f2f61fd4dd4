"""Shortest curves of a metric field, for pictures in few dimensions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

from geomlib.checks import at_least, same_shape

Field = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Geodesic:
    """A curve whose energy cannot be lowered by moving its points a little.

    Attributes:
        points: From start to end, float64.
        length: Of the curve, in the units of the metric.
        residual: Largest derivative of the energy in a point, relative to the energy, per
            distance between start and end.
        converged: Whether the descent met its tolerance.
    """

    points: Float[Tensor, "p d"]
    length: float
    residual: float
    converged: bool


def geodesic(
    metric: Field,
    start: Float[Tensor, " d"],
    end: Float[Tensor, " d"],
    *,
    num_segments: int = 40,
    initial: Float[Tensor, "_p d"] | None = None,
    num_steps: int = 2000,
    tolerance: float = 1e-4,
) -> Geodesic:
    r"""Curve of least energy between two points, near an initial curve.

    The energy of a polygon is :math:`m \sum_i \Delta_i^\top G(\bar x_i)\, \Delta_i` over
    its m segments, with :math:`\bar x_i` the middle of each. Where it is least the segments
    are equally long and the curve is a shortest one among its neighbours, up to
    :math:`O(1/m^2)`. There may be several; which one is found depends on ``initial``.

    Args:
        metric: Field of positive definite matrices, ``[n d]`` to ``[n d d]``, which torch
            can differentiate, in float64.
        start: First point.
        end: Last point.
        num_segments: m.
        initial: Curve to start from, resampled to m segments of equal length in plain
            coordinates; its ends are replaced. None takes the straight line.
        num_steps: Steps of L-BFGS, at most.
        tolerance: Residual to reach.

    Raises:
        ValueError: If the ends have different shapes or are one point, ``num_segments``
            is below 2, ``initial`` has fewer than two points, or the metric gives
            matrices of another shape.
    """
    same_shape("start", start, "end", end)
    at_least("num_segments", num_segments, 2)
    ends = torch.stack([start, end]).detach().cpu().double()
    apart = float((ends[1] - ends[0]).norm())
    if not apart > 0:
        raise ValueError(f"start and end must differ, got {ends[0].tolist()} twice.")
    curve = ends if initial is None else initial.detach().cpu().double()
    at_least("number of points in initial", len(curve), 2)
    curve = torch.cat([ends[:1], curve[1:-1], ends[1:]])
    if metric(ends).shape != (2, ends.shape[1], ends.shape[1]):
        raise ValueError(
            f"metric must give one {ends.shape[1]} x {ends.shape[1]} matrix per point, got "
            f"shape {tuple(metric(ends).shape)} for 2 points."
        )
    points = resampled(curve, num_segments)
    # Steps are measured against the energy at the start, so that units drop out.
    scale = float(_energy(metric, points).detach()) or 1.0

    def objective(inner: Any) -> tuple[float, Any]:
        free = torch.from_numpy(np.asarray(inner)).reshape(-1, ends.shape[1])
        free = free.requires_grad_()
        energy = _energy(metric, torch.cat([ends[:1], free, ends[1:]])) / scale
        (slope,) = torch.autograd.grad(energy, free)
        return float(energy.detach()), slope.flatten().numpy()

    found = minimize(
        objective,
        points[1:-1].flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": num_steps,
            "maxfun": 10 * num_steps,
            "gtol": 0.0,
            "ftol": 1e-15,
            "maxcor": 30,
        },
    )
    inner = torch.from_numpy(np.asarray(found.x)).reshape(-1, ends.shape[1])
    points = torch.cat([ends[:1], inner, ends[1:]])
    energy, slope = objective(found.x)
    residual = float(np.abs(slope).max()) * apart / energy
    return Geodesic(
        points, float(curve_length(metric, points)), residual, residual <= tolerance
    )


@torch.no_grad()
def curve_length(metric: Field, points: Float[Tensor, "p d"]) -> Float[Tensor, ""]:
    """Length of a polygon, the metric taken in the middle of each segment.

    Args:
        metric: Field of matrices, ``[n d]`` to ``[n d d]``.
        points: Corners in order, at least two.

    >>> plane = lambda points: torch.eye(2).expand(len(points), 2, 2)
    >>> curve_length(plane, torch.tensor([[0.0, 0.0], [3.0, 4.0]])).item()
    5.0
    """
    at_least("number of points", len(points), 2)
    return _squares(metric, points).clamp_min(0).sqrt().sum()


def resampled(curve: Float[Tensor, "_p d"], num_segments: int) -> Float[Tensor, "_q d"]:
    """Points at equal distances along a polygon, in plain coordinates.

    >>> resampled(torch.tensor([[0.0], [1.0], [4.0]]), 2).flatten()
    tensor([0., 2., 4.])
    """
    steps = (curve[1:] - curve[:-1]).norm(dim=1)
    at = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    wanted = torch.linspace(0, float(at[-1]), num_segments + 1, dtype=at.dtype)
    columns = [
        torch.from_numpy(np.interp(wanted.numpy(), at.numpy(), column.numpy()))
        for column in curve.T
    ]
    return torch.stack(columns, dim=1).to(curve.dtype)


def _squares(metric: Field, points: Float[Tensor, "p d"]) -> Float[Tensor, " _m"]:
    """Squared length of each segment."""
    steps = points[1:] - points[:-1]
    G = metric((points[1:] + points[:-1]) / 2)
    return torch.einsum("mi,mij,mj->m", steps, G, steps)


def _energy(metric: Field, points: Float[Tensor, "p d"]) -> Float[Tensor, ""]:
    """Energy of the polygon run through in unit time."""
    return (len(points) - 1) * _squares(metric, points).sum()
