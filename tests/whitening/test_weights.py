"""Closed-form weights against numerical minima of the problems that they solve."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.optimize import minimize
from torch import Tensor

from geomlib.whitening import weights
from geomlib.whitening.moments import canonical, synthetic

KINK = 1 - 1e-4  # mean variance at which VICReg's hinge lets go


def correlations(*rho: float) -> Tensor:
    return torch.tensor(rho, dtype=torch.float64)


# Numerical minima, by scipy on numpy formulas.


def minimum(objective, k: int, constraints=(), num_starts: int = 3) -> np.ndarray:
    """Best of a few constrained minima over weights t >= 0."""
    found = [
        minimize(
            objective,
            np.random.default_rng(start).uniform(0.1, 0.9, k),
            bounds=[(0, None)] * k,
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 2000},
        )
        for start in range(num_starts)
    ]
    return min((f for f in found if f.success), key=lambda f: f.fun).x


def barlow_minimum(rho: np.ndarray, redundancy: float) -> np.ndarray:
    """Weights of the best standardised outputs that all share one correlation r."""
    k = len(rho)

    def loss(t: np.ndarray) -> float:
        r = (t * rho).mean()
        return k * (1 - r) ** 2 + redundancy * (((t * rho) ** 2).sum() - k * r**2)

    return minimum(loss, k, [{"type": "eq", "fun": lambda t: t.sum() - k}])


def vicreg_loss(t: np.ndarray, rho: np.ndarray, options: tuple) -> float:
    """VICReg times k, of outputs that all have the mean variance s."""
    invariance, variance, covariance = options
    k, s = len(t), t.mean()
    return (
        2 * invariance * (t * (1 - rho)).sum()
        + variance * k * max(0.0, 1 - np.sqrt(s + 1e-4))
        + 2 * covariance * ((t**2).sum() - k * s**2)
    )


def vicreg_minimum(loss: Callable[[np.ndarray], float], k: int) -> np.ndarray:
    """Best weights on either side of the hinge's kink: on each the loss is smooth."""
    below = {"type": "ineq", "fun": lambda t: KINK - t.mean()}
    above = {"type": "ineq", "fun": lambda t: t.mean() - KINK}
    return min((minimum(loss, k, [side]) for side in (below, above)), key=loss)


# Spectral contrastive.


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("rho", [(0.9, 0.7, 0.4, 0.2), (0.8, 0.3, -0.2, -0.5)])
def test_spectral_metric_is_the_best_of_its_rank(rho, k):
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    K = Q @ np.diag(rho) @ Q.T

    def loss_and_gradient(a: np.ndarray) -> tuple[float, np.ndarray]:
        A = a.reshape(k, 4)
        loss = ((A.T @ A - K) ** 2).sum()
        return loss, (4 * A @ (A.T @ A - K)).ravel()

    start = np.random.default_rng(0).normal(size=4 * k)
    A = minimize(loss_and_gradient, start, jac=True, options={"gtol": 1e-9}).x.reshape(k, 4)
    t = weights.spectral_contrastive(correlations(*rho[:k])).numpy()
    np.testing.assert_allclose(A.T @ A, Q[:, :k] @ np.diag(t) @ Q[:, :k].T, atol=1e-6)


# Barlow Twins.

SPREAD_AND_REDUNDANCY = [
    ((0.9, 0.7, 0.5), 1.0),
    ((0.97, 0.9, 0.8, 0.72), 1.0),
    ((0.9, 0.8, 0.7, 0.6, 0.5), 0.5),
    ((0.8, 0.78, 0.75), 0.1),
    ((0.4, 0.4), 0.3),
    ((0.5,), 0.7),
]


@pytest.mark.parametrize(("rho", "redundancy"), SPREAD_AND_REDUNDANCY)
def test_barlow_minimises_over_outputs_of_equal_correlation(rho, redundancy):
    t = weights.barlow_twins(correlations(*rho), redundancy=redundancy)
    expected = barlow_minimum(np.array(rho), redundancy)
    np.testing.assert_allclose(t, expected, atol=2e-5)


@pytest.mark.parametrize("rho", [(0.9, 0.7, 0.5), (0.97, 0.9, 0.8, 0.72), (0.3, 0.29)])
def test_barlow_of_redundancy_one_spends_a_budget_of_variance(rho):
    # |I - R|^2 at a given trace of S: t = 1/rho - c/rho^2 with c set by sum t = k.
    inverse = 1 / np.array(rho)
    c = (inverse.sum() - len(rho)) / (inverse**2).sum()
    t = weights.barlow_twins(correlations(*rho), redundancy=1.0)
    np.testing.assert_allclose(t, inverse - c * inverse**2, rtol=1e-12)


def test_barlow_refuses_to_weigh_a_direction_that_it_gives_up():
    rho = (0.9, 0.8, 0.1, 0.08)
    assert barlow_minimum(np.array(rho), 1.0)[3] == pytest.approx(0, abs=1e-6)
    message = r"weight must be positive .* at correlation 0\.08: .*Ask for fewer outputs"
    with pytest.raises(ValueError, match=message):
        weights.barlow_twins(correlations(*rho), redundancy=1.0)


@pytest.mark.parametrize("redundancy", [1.0, 0.2])
def test_barlow_reaches_as_far_as_the_minimum_fills_every_direction(redundancy):
    rho = 0.9 * 0.6 ** np.arange(8)
    reach = weights.barlow_twins_reach(torch.tensor(rho), redundancy=redundancy)
    assert 1 < reach < 8
    assert barlow_minimum(rho[:reach], redundancy).min() > 1e-3
    assert barlow_minimum(rho[: reach + 1], redundancy).min() < 1e-6


def test_barlow_reaches_no_direction_without_correlation():
    reach = weights.barlow_twins_reach
    assert reach(correlations(0.5, 0.5, 0.0, -0.1), redundancy=1.0) == 2
    assert reach(correlations(0.0), redundancy=1.0) == 0


@pytest.mark.parametrize("bad", [0.0, -0.2, float("nan")])
def test_barlow_refuses_correlations_and_redundancies_that_are_not_positive(bad):
    with pytest.raises(ValueError, match=r"smallest correlation must be .* above 0"):
        weights.barlow_twins(correlations(0.5, bad), redundancy=1.0)
    with pytest.raises(ValueError, match=r"redundancy must be .* above 0"):
        weights.barlow_twins(correlations(0.5), redundancy=bad)


# VICReg.

VICREG = {
    "hinge holds": ((0.97, 0.9, 0.8, 0.72), (1.0, 25.0, 25.0), 0),
    "hinge holds, two lost": ((0.95, 0.85, 0.7, 0.6), (25.0, 25.0, 1.0), 2),
    "hinge gives way": ((0.62, 0.6, 0.58), (25.0, 25.0, 1.0), 0),
    "hinge gives way, two lost": ((0.6, 0.5, 0.4), (25.0, 25.0, 1.0), 2),
    "total collapse": ((0.5, 0.4), (100.0, 1.0, 1.0), 2),
    "hardly any invariance": ((0.5, 0.4), (0.1, 1.0, 1.0), 0),
}


@pytest.mark.parametrize(("rho", "options", "num_lost"), VICREG.values(), ids=VICREG)
def test_vicreg_minimises_over_outputs_of_equal_variance(rho, options, num_lost):
    names = ("invariance", "variance", "covariance")
    t = weights.vicreg(correlations(*rho), **dict(zip(names, options, strict=True))).numpy()
    loss = partial(vicreg_loss, rho=np.array(rho), options=options)
    expected = vicreg_minimum(loss, len(rho))
    assert loss(t) <= loss(expected) + 1e-9
    np.testing.assert_allclose(t, expected, atol=2e-4)
    assert (t == 0).sum() == num_lost


def test_vicreg_gives_way_where_the_pull_of_the_views_exceeds_the_hinge():
    # One output: d/ds [2 lam (1 - rho) s - mu sqrt(s + eps)] = 0, by hand.
    for rho in (0.2, 0.4, 0.6, 0.74):
        t = weights.vicreg(
            correlations(rho), invariance=25.0, variance=25.0, covariance=1.0
        )
        assert t.item() == pytest.approx((25 / (100 * (1 - rho))) ** 2 - 1e-4, rel=1e-9)
    t = weights.vicreg(correlations(0.76), invariance=25.0, variance=25.0, covariance=1.0)
    assert t.item() == pytest.approx(1 - 1e-4, rel=1e-12)


def test_vicreg_refuses_to_divide_by_no_covariance_weight():
    with pytest.raises(ValueError, match=r"covariance must be .* above 0, got 0\.0"):
        weights.vicreg(correlations(0.5), invariance=1.0, variance=1.0, covariance=0.0)


# The head.


def test_head_metric_sums_over_generalised_eigenvectors():
    moments = synthetic(torch.linspace(0.9, 0.1, 5).double(), condition=50.0, seed=0)
    # C w = rho Sigma w with w' Sigma w = 1, so w = Sigma^(-1/2) v.
    _, w = scipy.linalg.eigh(moments.cross.numpy(), moments.covariance.numpy())
    t = [2.0, 0.5, 0.0]
    expected = sum(t[j] * np.outer(w[:, -1 - j], w[:, -1 - j]) for j in range(3))
    metric = weights.head_metric(correlations(*t), canonical(moments))
    np.testing.assert_allclose(metric, expected, rtol=1e-8, atol=1e-8)
