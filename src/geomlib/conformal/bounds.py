r"""Upper confidence bounds on the mean of independent losses in [0, 1].

With probability at least :math:`1 - \delta` over the n losses the mean is below the bound.
Both need losses that are independent and alike; neither needs anything else of them.
"""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from geomlib.checks import at_least, one_of

Method = Literal["naive", "hoeffding", "wsr"]
METHODS = ("naive", "hoeffding", "wsr")

_HALVINGS = 50  # of [0, 1]: beyond what float64 resolves near 1


def hoeffding_bound(losses: Float[Tensor, "*g n"], delta: float) -> Float[Tensor, "*g"]:
    r"""Mean plus :math:`\sqrt{\log(1 / \delta) / 2n}`, at most 1.

    Args:
        losses: Values in [0, 1], the last axis independent.
        delta: Probability with which the bound may fail.

    Raises:
        ValueError: If there is no loss, one is outside [0, 1], or ``delta`` is not between
            0 and 1.

    Source: Hoeffding 1963.

    >>> round(hoeffding_bound(torch.full((200,), 0.1), 0.1).item(), 4)
    0.1759
    """
    _check(losses, delta)
    margin = math.sqrt(-math.log(delta) / (2 * losses.shape[-1]))
    return (losses.double().mean(-1) + margin).clamp_max(1.0)


def wsr_bound(losses: Float[Tensor, "*g n"], delta: float) -> Float[Tensor, "*g"]:
    """Betting bound: the smallest mean that a bettor would have disproved, at most 1.

    See ``log_capital``. It uses the spread of the losses and so is tighter than
    Hoeffding's where they vary little; it depends on their order, slightly.

    Args:
        losses: Values in [0, 1], the last axis independent.
        delta: Probability with which the bound may fail.

    Raises:
        ValueError: As ``hoeffding_bound``.

    Source: Waudby-Smith & Ramdas 2024 (arXiv:2010.09686), as Bates et al. 2021
    (arXiv:2101.02703) use it for risk control.

    >>> round(wsr_bound(torch.full((200,), 0.1), 0.1).item(), 3)
    0.112
    """
    _check(losses, delta)
    low = losses.new_zeros(losses.shape[:-1], dtype=torch.float64)
    high = torch.ones_like(low)
    goal = -math.log(delta)
    # The capital rises with the mean that is bet against, so halving finds where it
    # passes 1 / delta; where it never does the bound stays at 1.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        disproved = log_capital(losses, middle, delta) > goal
        high = torch.where(disproved, middle, high)
        low = torch.where(disproved, low, middle)
    return high


def log_capital(
    losses: Float[Tensor, "*g n"], mean: Float[Tensor, "*g"], delta: float
) -> Float[Tensor, "*g"]:
    r"""Log of the largest capital of one who bets that the mean is below a value.

    From capital 1 each loss :math:`L_i` multiplies it by
    :math:`1 - \nu_i (L_i - m)`. If the mean is m or more this is a non-negative
    supermartingale, and with probability :math:`1 - \delta` it never exceeds
    :math:`1 / \delta` (Ville's inequality). The stake
    :math:`\nu_i = \min(1, \sqrt{2 \log(1 / \delta) / n \hat\sigma^2_{i-1}})` looks only
    at the losses before :math:`L_i`.

    Args:
        losses: Values in [0, 1], the last axis in the order of the bets.
        mean: m, in [0, 1].
        delta: Sets the stakes.

    Raises:
        ValueError: As ``hoeffding_bound``.

    Source: Bates et al. 2021 (arXiv:2101.02703), their section on the
    Waudby-Smith-Ramdas bound.

    >>> one_bet = log_capital(torch.zeros(1), torch.tensor(0.5, dtype=torch.float64), 0.1)
    >>> one_bet.exp().item()  # the stake is 1
    1.5
    """
    _check(losses, delta)
    L = losses.double()
    n = L.shape[-1]
    count = torch.arange(2, n + 2, dtype=torch.float64, device=L.device)  # 1 + i
    centre = (0.5 + L.cumsum(-1)) / count
    variance = (0.25 + (L - centre).square().cumsum(-1)) / count
    # One place later, so that a stake knows nothing of the loss it is placed on.
    before = torch.cat([torch.full_like(variance[..., :1], 0.25), variance[..., :-1]], -1)
    stake = (-2 * math.log(delta) / n / before).sqrt().clamp_max(1.0)
    gains = torch.log1p(-stake * (L - mean.double()[..., None]))
    return gains.cumsum(-1).amax(-1)


def is_below(
    losses: Float[Tensor, "*g n"], level: float, delta: float, method: Method
) -> Bool[Tensor, "*g"]:
    """Whether a method vouches for a mean of at most ``level``.

    Args:
        losses: Values in [0, 1], the last axis independent.
        level: Compared with the bound.
        delta: Probability with which the bound may fail.
        method: ``"naive"`` takes the sample's mean for the mean.

    Raises:
        ValueError: As ``hoeffding_bound``, or if ``method`` is unknown.
    """
    one_of("method", method, METHODS)
    _check(losses, delta)
    if method == "naive":
        return losses.double().mean(-1) <= level
    if method == "hoeffding":
        return hoeffding_bound(losses, delta) <= level
    # One look at the capital says on which side of the level the bound lies.
    at_level = torch.full(losses.shape[:-1], level, dtype=torch.float64)
    return log_capital(losses, at_level.to(losses.device), delta) > -math.log(delta)


def _check(losses: Float[Tensor, "*g n"], delta: float) -> None:
    """Refuse what the bounds do not hold for."""
    at_least("number of losses", losses.shape[-1], 1)
    if not 0 < delta < 1:
        raise ValueError(f"delta must be above 0 and below 1, got {delta}.")
    if losses.numel() and not ((losses >= 0) & (losses <= 1)).all():
        raise ValueError(
            f"losses must be in [0, 1], got {losses.min():.3g} to {losses.max():.3g}. "
            "Divide them by the largest possible loss."
        )
