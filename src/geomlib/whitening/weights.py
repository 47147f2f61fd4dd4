r"""Closed-form weight of each canonical direction in the optimal linear head.

The optimal head's metric is :math:`W^\top W = \Sigma^{-1/2} V_k\, \mathrm{diag}(t)\,
V_k^\top \Sigma^{-1/2}`; only ``t`` depends on the loss. Every function takes the top
canonical correlations, descending, and returns their weights.
"""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import Tensor

from geomlib.checks import positive
from geomlib.whitening.moments import Canonical
from geomlib.whitening.population import VARIANCE_EPS


def spectral_contrastive(rho: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    r"""Weights of the spectral contrastive loss, :math:`t = [\rho]_+`.

    Source: HaoChen et al. 2021 (arXiv:2106.04156), by Eckart & Young 1936.
    """
    return rho.clamp(min=0)


def barlow_twins(rho: Float[Tensor, " k"], *, redundancy: float) -> Float[Tensor, " k"]:
    r"""Weights of Barlow Twins with standardised outputs, :math:`t = a/\rho + b/\rho^2`.

    With :math:`m` and :math:`q` the means of :math:`1/\rho` and :math:`1/\rho^2`, the
    common diagonal of the cross-correlation is
    :math:`\bar r = (1 + (q/m - m)/\lambda) / (m + (q/m - m)/\lambda)`, and
    :math:`b = -(1-\bar r)/(\lambda m)`, :math:`a = \bar r + (1-\bar r)/\lambda`. Exact for
    :math:`\lambda \le 1` while every weight is positive; derived for this book.

    Args:
        rho: Canonical correlations, each above 0.
        redundancy: :math:`\lambda` of the off-diagonal term.

    Raises:
        ValueError: If a weight is not positive: the loss then gives up a direction, and
            the formula no longer holds. Ask for fewer outputs or a larger redundancy.

    >>> barlow_twins(torch.tensor([0.5, 0.5]), redundancy=1.0)
    tensor([1., 1.])
    """
    t = _barlow_stationary(rho, redundancy)
    if not bool((t > 0).all()):
        raise ValueError(
            f"every weight must be positive for this formula, got {float(t.min()):.3g} "
            f"at correlation {float(rho[t.argmin()]):.3g}: Barlow Twins gives this "
            "direction up. Ask for fewer outputs or a larger redundancy."
        )
    return t


def barlow_twins_reach(rho: Float[Tensor, " d"], *, redundancy: float) -> int:
    """Largest number of outputs that Barlow Twins fills with the top correlations.

    Args:
        rho: Canonical correlations, descending; those not above 0 are out of reach.
        redundancy: Weight of the off-diagonal term.

    >>> barlow_twins_reach(torch.tensor([0.9, 0.2, 0.1]), redundancy=1.0)
    2
    """
    usable = rho[rho > 0]
    reach = 0
    for num in range(1, len(usable) + 1):
        if not bool((_barlow_stationary(usable[:num], redundancy) > 0).all()):
            break
        reach = num
    return reach


def _barlow_stationary(rho: Float[Tensor, " k"], redundancy: float) -> Float[Tensor, " k"]:
    """Stationary weights on the given correlations, whatever their sign."""
    positive("redundancy", redundancy)
    positive("smallest correlation", float(rho.min()))
    m, q = (1 / rho).mean(), rho.pow(-2).mean()
    spread = (q / m - m) / redundancy
    mean_correlation = (1 + spread) / (m + spread)
    b = -(1 - mean_correlation) / (redundancy * m)
    a = mean_correlation + (1 - mean_correlation) / redundancy
    return a / rho + b / rho.square()


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

    >>> vicreg(torch.tensor([0.9, 0.9]), invariance=1.0, variance=25.0, covariance=25.0)
    tensor([0.9999, 0.9999])
    """
    positive("covariance", covariance)
    kink = 1 - VARIANCE_EPS

    def weights(s: float, slope: float) -> Float[Tensor, " k"]:
        return (s + (slope - 2 * invariance * (1 - rho)) / (4 * covariance)).clamp(min=0)

    def below_kink(s: float) -> Float[Tensor, " k"]:
        return weights(s, variance / (2 * (s + VARIANCE_EPS) ** 0.5))

    # mean t(s) - s falls with s, so its root is the only stationary mean variance.
    if float(below_kink(kink).mean()) < kink:
        if float(below_kink(0.0).mean()) <= 0:
            return torch.zeros_like(rho)
        return below_kink(_root(lambda s: float(below_kink(s).mean()) - s, 0.0, kink))
    # On the kink every slope from 0 to the hinge's own is a subgradient.
    return weights(
        kink,
        _root(lambda g: float(weights(kink, g).mean()) - kink, 0.0, variance / 2),
    )


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a continuous function that changes sign between the ends."""
    return cast(float, brentq(function, low, high, xtol=1e-15))


def head_metric(weights: Float[Tensor, " k"], canonical: Canonical) -> Float[Tensor, "d d"]:
    r"""Metric :math:`W^\top W` of the head that weighs the top directions so.

    In squared embedding units per squared representation unit.
    """
    v = canonical.inverse_root @ canonical.directions[:, : len(weights)]
    return v @ torch.diag(weights) @ v.mT
