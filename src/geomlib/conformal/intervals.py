"""Predicted intervals widened by a scale, and the share of outputs that they miss.

An interval around a point p with predicted ends l and u has the scale s:
from p - s max(p - l, 0) to p + s max(u - p, 0). An end on the wrong side of the point
gives a side of width zero, which no scale can widen.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomlib.checks import at_least, finite, same_shape


def widened(
    lower: Float[Tensor, "n d"],
    point: Float[Tensor, "n d"],
    upper: Float[Tensor, "n d"],
    scale: float,
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Both ends of the intervals at a scale, in units of the point.

    Args:
        lower: Predicted lower ends.
        point: Predicted points.
        upper: Predicted upper ends.
        scale: 0 leaves the point alone, 1 the interval as predicted.

    Raises:
        ValueError: If the shapes differ or ``scale`` is negative.

    >>> l, p, u = torch.tensor([[[-1.0], [2.0]], [[0.0], [3.0]], [[3.0], [5.0]]])
    >>> torch.stack(widened(l, p, u, 2.0))[:, :, 0]
    tensor([[-2.,  1.],
            [ 6.,  7.]])
    """
    same_shape("lower", lower, "point", point)
    same_shape("upper", upper, "point", point)
    at_least("scale", scale, 0.0)
    below, above = (point - lower).clamp_min(0), (upper - point).clamp_min(0)
    return point - scale * below, point + scale * above


def needed_scale(
    lower: Float[Tensor, "n d"],
    point: Float[Tensor, "n d"],
    upper: Float[Tensor, "n d"],
    target: Float[Tensor, "n d"],
) -> Float[Tensor, "n d"]:
    """Smallest scale at which each interval holds its target; infinite where none does.

    Args:
        lower: Predicted lower ends.
        point: Predicted points.
        upper: Predicted upper ends.
        target: What was seen.

    Raises:
        ValueError: If the shapes differ or a value is not finite.

    >>> l, p, u = -torch.ones(1, 3), torch.zeros(1, 3), torch.tensor([[2.0, 2.0, -1.0]])
    >>> needed_scale(l, p, u, torch.tensor([[3.0, -3.0, 0.1]]))
    tensor([[1.5000, 3.0000,    inf]])
    """
    for name, tensor in (
        ("lower", lower), ("point", point), ("upper", upper), ("target", target)
    ):  # fmt: skip
        same_shape(name, tensor, "target", target)
        finite(name, tensor)
    error = target - point
    side = torch.where(error > 0, upper - point, point - lower).clamp_min(0)
    # Nothing is missed where the point itself is right, however narrow the interval.
    return torch.where(error == 0, torch.zeros_like(error), error.abs() / side)


def fraction_missed(
    needed: Float[Tensor, "n d"], scales: Float[Tensor, " l"]
) -> Float[Tensor, "n l"]:
    """Share of each row's outputs that lie outside their intervals, at each scale.

    It falls as the scale rises, from 0 to 1: the loss that a scale is calibrated on.

    Args:
        needed: Result of ``needed_scale``.
        scales: In rising order.

    Raises:
        ValueError: If there is no output or ``scales`` do not rise.

    >>> fraction_missed(torch.tensor([[0.5, 1.0, 2.0, 3.0]]), torch.tensor([0.0, 1.0, 2.5]))
    tensor([[1.0000, 0.5000, 0.2500]])
    """
    at_least("number of outputs in needed", needed.shape[1], 1)
    if not _rising(scales):
        raise ValueError(
            f"scales must rise, got {len(scales)} values of which some do not."
        )
    d = needed.shape[1]
    grid = scales.to(needed).expand(len(needed), -1).contiguous()
    # A sorted row answers every scale at once, without an [n d l] tensor.
    within = torch.searchsorted(needed.sort(dim=1).values, grid, right=True)  # [n l]
    return 1 - within.to(needed) / d


def _rising(values: Float[Tensor, " l"]) -> Bool[Tensor, ""]:
    """Whether each value is above the one before."""
    return (values.diff() > 0).all()
