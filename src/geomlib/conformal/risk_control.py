"""The smallest scale whose risk a bound keeps below a level."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from geomlib.checks import at_least
from geomlib.conformal.bounds import Method, is_below


def smallest_certified(
    losses: Float[Tensor, "n l"],
    *,
    level: float,
    delta: float,
    method: Method,
    seed: int,
) -> int:
    r"""Position of the smallest scale that is vouched for together with all above it.

    With the Hoeffding and the betting bound, the risk (mean loss over fresh rows) at that
    scale is above ``level`` with probability at most ``delta`` over the rows, as long as
    these are independent and the loss falls as the scale rises.

    Args:
        losses: Loss of each calibration row (first axis) at each scale, scales rising.
        level: Largest risk allowed.
        delta: Probability with which it may be exceeded.
        method: See ``geomlib.conformal.bounds.is_below``.
        seed: Of the order in which rows are bet on. Rows sorted by difficulty are not
            alike, and the betting bound would believe the easy ones that come first.

    Raises:
        ValueError: If losses are outside [0, 1] or rise with the scale, or no scale is
            vouched for.

    Source: Bates et al. 2021 (arXiv:2101.02703), risk-controlling prediction sets.

    >>> import torch
    >>> losses = torch.tensor([[1.0, 0.5, 0.0]]).repeat(100, 1)
    >>> smallest_certified(losses, level=0.5, delta=0.1, method="naive", seed=0)
    1
    >>> smallest_certified(losses, level=0.5, delta=0.1, method="hoeffding", seed=0)
    2
    """
    at_least("number of scales", losses.shape[1], 1)
    if (losses.diff(dim=1) > 0).any():
        raise ValueError(
            "losses must not rise with the scale, got some that do. Sort the scales, or "
            "use a loss that falls as intervals grow."
        )
    order = torch.randperm(len(losses), generator=torch.Generator().manual_seed(seed))
    found = certified_positions(
        losses[order][None], level=level, delta=delta, method=method
    )
    if (position := int(found[0])) == losses.shape[1]:
        raise ValueError(
            f"scales must reach one with a certified risk of at most {level}, got none "
            f"(mean loss {losses[:, -1].double().mean():.3g} at the largest, "
            f"{len(losses)} rows). Take larger scales or more rows."
        )
    return position


def certified_positions(
    losses: Float[Tensor, "s n l"], *, level: float, delta: float, method: Method
) -> Int64[Tensor, " s"]:
    """Positions as of ``smallest_certified``, of many calibration sets; l where none is.

    Args:
        losses: Of each set (first axis), each row and each scale; rows in random order.
        level: Largest risk allowed.
        delta: Probability with which it may be exceeded.
        method: See ``geomlib.conformal.bounds.is_below``.
    """
    good = is_below(losses.mT, level, delta, method)  # [s l]
    # All scales from the largest downwards, until the first that is not vouched for.
    return losses.shape[2] - good.flip(1).cumprod(1).sum(1)
