"""How much accuracy falls where a cue is not the one that is common in its class."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor


@dataclass(frozen=True)
class Gaps:
    """Accuracies of one classifier in percent, and their falls in percentage points.

    Attributes:
        in_distribution: Accuracy on images as common as in training.
        background: Fall where the background alone is uncommon; negative if there is one.
        co_object: Fall where the object alone is uncommon.
        both: Fall where both are.
        worst: Least accuracy in a group: one class, one background, one object.
    """

    in_distribution: float
    background: float
    co_object: float
    both: float
    worst: float


def shortcut_gaps(
    predicted: Int64[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    common: Bool[Tensor, "n 2"],
    *,
    share: float = 0.95,
) -> Gaps:
    r"""Gaps of UrbanCars from predictions on images of all groups.

    With :math:`a_{ij}` the accuracy where background (i) and object (j) are common (1)
    or not (0), each the mean over classes, the accuracy in distribution is
    :math:`\sum_{ij} p_i p_j a_{ij}`, where :math:`p_1` is the share of common cues in
    training, and the gaps are :math:`a_{01}`, :math:`a_{10}` and :math:`a_{00}` less it.

    Args:
        predicted: Class that is predicted.
        labels: True class, 0 or 1.
        common: Whether background and object are common in the true class.
        share: :math:`p_1`, in [0, 1].

    Raises:
        ValueError: If ``share`` is no share, or one of the eight groups has no image.

    Source: Li et al. 2023 (arXiv:2212.04825).

    >>> groups = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(2))
    >>> labels, background = groups[:, 0], groups[:, 1]
    >>> common = groups[:, 1:] == labels[:, None]
    >>> by_background = shortcut_gaps(background, labels, common)
    >>> round(by_background.in_distribution), round(by_background.background)
    (95, -95)
    """
    right = (predicted == labels).double().cpu()
    cell = torch.zeros(2, 2, 2, dtype=torch.float64)  # class, background, object
    group = torch.cat([labels[:, None], common.long()], dim=1).cpu()
    for place in torch.cartesian_prod(*[torch.arange(2)] * 3):
        member = (group == place).all(1)
        label, background, co_object = place.tolist()
        if not member.any():
            raise ValueError(
                f"labels and common must hold every group, got none of class {label}, "
                f"background {'un' * (1 - background)}common, object "
                f"{'un' * (1 - co_object)}common."
            )
        cell[label, background, co_object] = right[member].mean()
    return _gaps(cell.mean(0), float(cell.min()), share)


def vote_gaps(
    logit: Callable[[int, int], float],
    *,
    core: float,
    share: float = 0.95,
) -> Gaps:
    r"""Gaps of a classifier that adds the votes of core, background and object.

    The core is seen right with probability q and votes :math:`\pm\log q / (1 - q)`, its
    log-odds; the cues add what ``logit`` says. The sign of the sum is the decision, and
    no vote is one for either class.

    Args:
        logit: Votes of the cues for the true class, by whether background and object are
            common in it, 1, or not, -1. Two cues that agree with the class in a share p
            of training images, each on its own, vote
            :math:`(b + o) \log p / (1 - p)`.
        core: q, above one half and below 1.
        share: Share of common cues in training, for the reference.

    Raises:
        ValueError: If ``core`` or ``share`` is out of range.

    >>> deaf = vote_gaps(lambda background, co_object: 0.0, core=0.9)
    >>> round(deaf.in_distribution, 9), round(deaf.both, 9)
    (90.0, 0.0)
    """
    if not 0.5 < core < 1:
        raise ValueError(f"core must be above 0.5 and below 1, got {core}.")
    vote = torch.tensor(core / (1 - core), dtype=torch.float64).log()
    a = torch.zeros(2, 2, dtype=torch.float64)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        cues = logit(2 * i - 1, 2 * j - 1)
        seen = torch.stack([cues + vote, cues - vote])
        # A sum of zero up to rounding is a tie.
        right = (torch.where(seen.abs() < 1e-9, torch.zeros(()), seen).sign() + 1) / 2
        a[i, j] = core * right[0] + (1 - core) * right[1]
    return _gaps(a, float(a.min()), share)


def _gaps(a: Float64[Tensor, "2 2"], worst: float, share: float) -> Gaps:
    """Gaps from accuracies, by whether background and object are common."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    p = torch.tensor([1 - share, share], dtype=torch.float64)
    inside = float(p @ a @ p)
    return Gaps(
        in_distribution=100 * inside,
        background=100 * (float(a[0, 1]) - inside),
        co_object=100 * (float(a[1, 0]) - inside),
        both=100 * (float(a[0, 0]) - inside),
        worst=100 * worst,
    )
