r"""Closed-form weight of each canonical direction in the optimal linear head.

The optimal head's metric is :math:`W^\top W = \Sigma^{-1/2} V_k\, \mathrm{diag}(t)\,
V_k^\top \Sigma^{-1/2}`; only ``t`` depends on the loss. Every function takes the top
canonical correlations, descending, and returns their weights.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, cast

import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import Tensor

from geomlib.checks import at_least, one_of, positive
from geomlib.whitening.moments import Canonical
from geomlib.whitening.population import VARIANCE_EPS


def spectral_contrastive(rho: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    r"""Weights of the spectral contrastive loss, :math:`t = [\rho]_+`.

    Source: HaoChen et al. 2021 (arXiv:2106.04156), by Eckart & Young 1936.
    """
    return rho.clamp(min=0)


def hard_whitening(rho: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Weights under the constraint S = I, all 1: the representation is whitened exactly.

    Also those of Barlow Twins with a large redundancy weight where every correlation is
    below 2/3: each output then carries one canonical direction.

    Source: Ermolov et al. 2021 (arXiv:2007.06346); the top k directions by Fan 1949.
    """
    return torch.ones_like(rho)


def barlow_twins(rho: Float[Tensor, " k"], *, redundancy: float) -> Float[Tensor, " k"]:
    r"""Weights of Barlow Twins with standardised outputs, :math:`t = a/\rho + b/\rho^2`.

    The cross-correlation has eigenvalues :math:`y_j = t_j \rho_j` and, after a rotation
    of the outputs, one value :math:`\bar r = \sum_j y_j / k` all along its diagonal. The
    loss :math:`\lambda \sum_j y_j^2 + k (1 - \lambda) \bar r^2 - 2 k \bar r + k` under
    :math:`\sum_j y_j / \rho_j = k` has its minimum at
    :math:`y_j = [(1 - (1-\lambda) \bar r - \mu / \rho_j) / \lambda]_+`; a direction with
    weight 0 is lost. For :math:`\lambda \le 1` this is the minimum over all heads; above
    1, while every correlation is above 2/3 (where :math:`(1 - 1/x)^2` is convex), it is
    stationary, and descent ends within 1e-6 of it.

    Below a redundancy of 1 the loss at these weights is a lower bound, reached where a
    rotation equalises two diagonals at once. That was so for every even number of outputs
    tried, and for odd ones of at least 5 with three or more directions kept. With 3
    outputs it is not, and the true metric is up to 30 % away. Derived for this book.

    Args:
        rho: Canonical correlations, descending, the first above 0.
        redundancy: :math:`\lambda` of the off-diagonal term.

    Raises:
        ValueError: If ``redundancy`` is above 1 and a correlation at most 2/3: outputs
            then differ from each other, and no closed form is known between that and
            ``hard_whitening``. If there are more outputs than the positive correlations
            can fill.

    >>> barlow_twins(torch.tensor([0.5, 0.5]), redundancy=1.0)
    tensor([1., 1.])
    """
    positive("redundancy", redundancy)
    positive("largest correlation", float(rho.max()))
    if redundancy > 1 and float(rho.min()) <= 2 / 3:
        raise ValueError(
            "every correlation must be above 2/3 where redundancy is above 1, got "
            f"{float(rho.min()):.3g} and {redundancy:g}. Ask for fewer outputs or a "
            "redundancy of at most 1."
        )
    candidates = (
        _barlow_correlations(rho[:num_kept], len(rho), redundancy)
        for num_kept in range(int((rho > 0).sum()), 0, -1)
    )
    kept, multiplier = next(found for found in candidates if float(found[0][-1]) > 0)
    if float(multiplier) < 0 and bool((rho <= 0).any()):
        raise ValueError(
            f"positive correlations must be able to fill {len(rho)} outputs, got "
            f"{int((rho > 0).sum())} of them with more variance than they have use for. "
            "Ask for fewer outputs."
        )
    weights = torch.zeros_like(rho)
    weights[: len(kept)] = kept / rho[: len(kept)]
    return weights


def _barlow_correlations(
    kept: Float[Tensor, " r"], num_outputs: int, redundancy: float
) -> tuple[Float[Tensor, " r"], Float[Tensor, ""]]:
    r"""Eigenvalues y of the cross-correlation when these alone are kept; multiplier.

    Two linear equations fix the mean diagonal and the multiplier: the trace
    :math:`\sum_j y_j = k \bar r` and the budget :math:`\sum_j y_j / \rho_j = k`.
    """
    inverse = 1 / kept
    m, q = inverse.sum(), inverse.square().sum()
    # lambda y_j = 1 - (1 - lambda) rbar - mu / rho_j, summed plain and over rho_j.
    rest = 1 - redundancy
    k, r = num_outputs, len(kept)
    system = torch.stack(
        [
            torch.stack([m.new_tensor(redundancy * k + rest * r), m]),
            torch.stack([rest * m, q]),
        ]
    )
    right = torch.stack([m.new_tensor(r), m - redundancy * k])
    mean_correlation, multiplier = torch.linalg.solve(system, right)
    y = (1 - rest * mean_correlation - multiplier * inverse) / redundancy
    return y, multiplier


def vicreg(
    rho: Float[Tensor, " k"], *, invariance: float, variance: float, covariance: float
) -> Float[Tensor, " k"]:
    r"""Weights of VICReg in its published normalisation, hinge active or not.

    With mean output variance :math:`s`, stationarity gives
    :math:`t_j = [s + (\mu / (2\sqrt{s+\epsilon}) - 2\lambda(1-\rho_j)) / 4\nu]_+`, and
    :math:`\sum_j t_j = k s` fixes :math:`s`, as long as :math:`s` stays below the
    hinge's kink at :math:`1-\epsilon`. There the hinge holds the mean variance, and
    :math:`t_j = [\theta + (\lambda/2\nu)\rho_j]_+`. A direction of weight 0 is lost.
    Derived for this book (the loss: Bardes et al. 2022, arXiv:2105.04906).

    Args:
        rho: Canonical correlations.
        invariance: :math:`\lambda`.
        variance: :math:`\mu`.
        covariance: :math:`\nu`.

    Raises:
        ValueError: If a weight is out of range, or some outputs would do better alone,
            with one direction each and variances of their own: ``covariance`` is then too
            large for the formula. The rivals tried leave the top or the bottom
            directions alone; that none of them wins is no proof that no head does.

    >>> vicreg(torch.tensor([0.9, 0.9]), invariance=1.0, variance=25.0, covariance=25.0)
    tensor([0.9999, 0.9999])
    """
    positive("covariance", covariance)
    at_least("invariance", invariance, 0)
    at_least("variance", variance, 0)
    shared = partial(_shared, invariance=invariance, variance=variance, nu=covariance)
    alone = partial(_alone, invariance=invariance, variance=variance)
    t, cost = shared(rho)
    for num in range(1, len(rho) + 1):
        for parted, rest in ((rho[:num], rho[num:]), (rho[-num:], rho[:-num])):
            rival = alone(parted) + (shared(rest)[1] if len(rest) else 0.0)
            if rival < cost - 1e-9:
                raise ValueError(
                    "covariance must be small enough that all outputs share one variance, "
                    f"got {covariance:g} beside invariance {invariance:g} and variance "
                    f"{variance:g}: outputs that carry one direction each do better. "
                    "Lower covariance."
                )
    return t


def _shared(
    rho: Float[Tensor, " k"], *, invariance: float, variance: float, nu: float
) -> tuple[Float[Tensor, " k"], float]:
    """VICReg's weights where all outputs have one variance, and what they cost."""
    kink = 1 - VARIANCE_EPS

    def weights(s: float, slope: float) -> Float[Tensor, " k"]:
        return (s + (slope - 2 * invariance * (1 - rho)) / (4 * nu)).clamp(min=0)

    def below_kink(s: float) -> Float[Tensor, " k"]:
        return weights(s, variance / (2 * (s + VARIANCE_EPS) ** 0.5))

    # mean t(s) - s falls with s, so its root is the only stationary mean variance.
    if float(below_kink(kink).mean()) >= kink:
        # On the kink every slope from 0 to the hinge's own is a subgradient.
        slope = _root(lambda g: float(weights(kink, g).mean()) - kink, 0.0, variance / 2)
        t = weights(kink, slope)
    elif float(below_kink(0.0).mean()) > 0:
        t = below_kink(_root(lambda s: float(below_kink(s).mean()) - s, 0.0, kink))
    else:
        t = torch.zeros_like(rho)
    mean = t.mean()
    pull = 2 * invariance * (t * (1 - rho)).sum()
    spread = 2 * nu * (t.square().sum() - len(t) * mean.square())
    hinge = len(t) * torch.relu(1 - (mean + VARIANCE_EPS).sqrt())
    return t, float(pull + spread + variance * hinge)


def _alone(rho: Float[Tensor, " k"], *, invariance: float, variance: float) -> float:
    """Cost of VICReg's outputs that carry one direction each: no covariance to pay for."""
    t = (variance / (4 * invariance * (1 - rho))).square() - VARIANCE_EPS
    t = t.nan_to_num(posinf=1.0).clamp(0, 1 - VARIANCE_EPS)
    hinge = torch.relu(1 - (t + VARIANCE_EPS).sqrt())
    return float((2 * invariance * t * (1 - rho) + variance * hinge).sum())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a continuous function that changes sign between the ends."""
    return cast(float, brentq(function, low, high, xtol=1e-15))


def info_nce(
    rho: Float[Tensor, " k"],
    *,
    temperature: float,
    critic: Literal["cosine", "dot", "distance"],
) -> Float[Tensor, " k"]:
    r"""Weights of InfoNCE for Gaussian representations and infinitely many negatives.

    With the dot product :math:`t = \tau \rho`; with the distance
    :math:`t = \tau (1/y - 1)` where :math:`y^2 + y = 2 (1 - \rho)`. Both are exact. With
    the cosine the scale is free; for a large temperature and many outputs, where
    :math:`|z|^2` hardly varies, about :math:`\tau [\rho - \theta]_+` with
    :math:`\sum_j t_j = 1`. Derived for this book.

    Args:
        rho: Canonical correlations, below 1 for the distance.
        temperature: :math:`\tau`.
        critic: ``cosine``, ``dot`` or ``distance``, as in ``geomlib.losses.info_nce``.

    >>> info_nce(torch.tensor([0.75]), temperature=2.0, critic="dot")
    tensor([1.5000])
    """
    positive("temperature", temperature)
    one_of("critic", critic, ("cosine", "dot", "distance"))
    if critic == "dot":
        return temperature * rho.clamp(min=0)
    if critic == "distance":
        y = ((9 - 8 * rho.clamp(min=0)).sqrt() - 1) / 2
        return temperature * (1 / y - 1)

    def weights(threshold: float) -> Float[Tensor, " k"]:
        return (temperature * (rho - threshold)).clamp(min=0)

    top = float(rho.max())
    return weights(_root(lambda x: float(weights(x).sum()) - 1, top - 2 / temperature, top))


def head_metric(weights: Float[Tensor, " k"], canonical: Canonical) -> Float[Tensor, "d d"]:
    r"""Metric :math:`W^\top W` of the head that weighs the top directions so.

    In squared embedding units per squared representation unit.
    """
    v = canonical.inverse_root @ canonical.directions[:, : len(weights)]
    return v @ torch.diag(weights) @ v.mT
