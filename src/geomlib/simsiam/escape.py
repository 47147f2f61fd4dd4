"""Spread of outputs over the sphere, and who escapes from collapse."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from geomlib.checks import at_least, positive
from geomlib.simsiam.objective import unit_rows

LEAST = 0.05  # spread that counts as gone
RATIO = 3.0  # and how many times its own minimum until then


def iso(z: Float[Tensor, "*r n k"]) -> Float[Tensor, "*r"]:
    r"""Mean over dimensions of the unit rows' standard deviation, times the root of k.

    1 is a spread over the whole sphere alike, 0 a point; never above 1. Deviations are
    over n, not n - 1, which would give :math:`\sqrt{n / (n - 1)}` times as much.

    Raises:
        ValueError: If there are fewer than two rows.

    Source: Chen & He 2021 (arXiv:2011.10566), figure 2.

    >>> round(iso(torch.eye(2)).item(), 4)
    0.7071
    """
    at_least("number of rows in z", z.shape[-2], 2)
    deviations = unit_rows(z).std(-2, correction=0)  # [*r k]
    return deviations.mean(-1) * math.sqrt(z.shape[-1])


@dataclass(frozen=True)
class Escapes:
    """Which runs left collapse, and by how much.

    Attributes:
        escaped: Whether at some record the spread was at least ``least`` and ``ratio``
            times its smallest value until then.
        stayed: Whether both held at the last record too.
        growth: Largest ratio of a run's spread to its smallest value until then.
        margin: How far the record that comes nearest exceeds both conditions: the smaller
            of spread over ``least`` and rise over ``ratio``. From 1 on it is an escape.
        first: Index of the first record at which both held; -1 where there is none.
    """

    escaped: Bool[Tensor, " r"]
    stayed: Bool[Tensor, " r"]
    growth: Float[Tensor, " r"]
    margin: Float[Tensor, " r"]
    first: Int[Tensor, " r"]


def escapes(
    spread: Float[Tensor, "t r"], *, least: float = LEAST, ratio: float = RATIO
) -> Escapes:
    """Escapes of runs from their spread over time.

    A minimum counts only until the record that is compared with it: a run that starts
    spread and collapses has not escaped.

    Args:
        spread: ``iso`` of each run at each record, in order.
        least: Spread to reach.
        ratio: Times its own minimum.

    Raises:
        ValueError: If there is no record, or ``least`` or ``ratio`` is not positive.

    >>> escapes(torch.tensor([[0.3, 0.02], [0.01, 0.01], [0.02, 0.06]])).escaped
    tensor([False,  True])
    """
    at_least("number of records", len(spread), 1)
    positive("least", least)
    positive("ratio", ratio)
    rise = spread / spread.cummin(0).values
    margin = torch.minimum(spread / least, rise / ratio)
    out = margin >= 1
    escaped = out.any(0)
    first = torch.where(escaped, out.int().argmax(0), -1)
    return Escapes(escaped, out[-1], rise.amax(0), margin.amax(0), first)
