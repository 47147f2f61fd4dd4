"""How often the promise breaks, over many splits into calibration and held-out rows."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least, one_of
from geomlib.conformal.bounds import Method
from geomlib.conformal.risk_control import certified_positions

_CHUNK_NUMBERS = 2**22  # losses looked at together


@dataclass(frozen=True)
class Splits:
    """Outcome of many splits.

    Attributes:
        positions: Position of the scale chosen in each split; the number of scales where
            none was vouched for.
        risks: Mean loss of the held-out rows at that scale; 0 where there was none.
    """

    positions: Int64[Tensor, " s"]
    risks: Float[Tensor, " s"]

    def violations(self, level: float) -> float:
        """Share of splits whose risk is above a level."""
        return float((self.risks > level).double().mean())


def split_risks(
    losses: Float[Tensor, "g r l"],
    *,
    num_calibration: int,
    num_splits: int,
    level: float,
    delta: float,
    method: Method,
    seed: int,
    rows: Literal["one", "all"] = "one",
) -> Splits:
    """Scale chosen on random rows and its risk on the others, many times.

    Rows come in groups (corruptions of one image, say). A group lies wholly on one side of
    a split, and the risk is over all rows of the groups held out. ``rows="one"`` calibrates
    on one random row of each group: independent rows, as the bounds ask for. ``"all"``
    counts every row as if it were independent, which the rows of one group are not.

    Args:
        losses: Loss of each group's rows at each scale; scales rising, losses falling.
        num_calibration: Rows calibrated on, in each split.
        num_splits: Number of splits.
        level: Largest risk allowed.
        delta: Probability with which it may be exceeded.
        method: See ``geomlib.conformal.bounds.is_below``.
        seed: Of the splits: the same groups for each method.
        rows: Which rows of a calibration group count.

    Raises:
        ValueError: If a count is out of range, ``num_calibration`` is no multiple of the
            rows that count, or no group would be held out.
    """
    one_of("rows", rows, ("one", "all"))
    at_least("num_splits", num_splits, 1)
    num_groups, r, num_scales = losses.shape
    counted = r if rows == "all" else 1
    if num_calibration < 1 or num_calibration % counted:
        raise ValueError(
            f"num_calibration must be a positive multiple of {counted}, the rows of a "
            f"group that count, got {num_calibration}."
        )
    if (taken := num_calibration // counted) >= num_groups:
        raise ValueError(
            f"num_calibration must leave groups to hold out, got {num_calibration} for "
            f"{num_groups} groups of {counted}. Take fewer rows."
        )
    generator = torch.Generator().manual_seed(seed)
    group_sums = losses.double().sum(1)  # [g l]
    total = group_sums.sum(0)
    positions: list[Tensor] = []
    risks: list[Tensor] = []
    chunk = max(1, _CHUNK_NUMBERS // (num_calibration * num_scales))
    for start in range(0, num_splits, chunk):
        size = min(chunk, num_splits - start)
        order = torch.rand(size, num_groups, generator=generator).argsort(1)
        groups = order[:, :taken]
        if rows == "one":
            which = torch.randint(r, groups.shape, generator=generator)
            calibration = losses[groups, which]  # [s n l]
        else:
            calibration = losses[groups].flatten(1, 2)
        found = certified_positions(calibration, level=level, delta=delta, method=method)
        # The sum over all groups less the calibration's, at the scale that was chosen.
        held_out = (total - group_sums[groups].sum(1)) / ((num_groups - taken) * r)
        padded = torch.cat([held_out, held_out.new_zeros(size, 1)], 1)
        positions.append(found)
        risks.append(padded.gather(1, found[:, None])[:, 0])
    return Splits(torch.cat(positions), torch.cat(risks))
