"""Closed-form weights against numerical minima of the problems that they solve."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

from geomlib import losses
from geomlib.whitening import weights
from geomlib.whitening.moments import canonical, synthetic

quick = settings(max_examples=25, deadline=None)
KINK = 1 - 1e-4  # mean variance at which VICReg's hinge lets go


def correlations(*rho: float) -> Tensor:
    return torch.tensor(rho, dtype=torch.float64)


# Numerical minima, by scipy on numpy formulas.


def minimum(
    objective, k: int, constraints=(), num_starts: int = 3, gradient=None
) -> np.ndarray:
    """Best of a few constrained minima over weights t >= 0."""
    found = [
        minimize(
            objective,
            np.random.default_rng(start).uniform(0.1, 0.9, k),
            jac=gradient,
            bounds=[(0, None)] * k,
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 2000},
        )
        for start in range(num_starts)
    ]
    return min((f for f in found if f.success), key=lambda f: f.fun).x


def barlow_loss(t: np.ndarray, rho: np.ndarray, redundancy: float) -> float:
    """Barlow Twins of standardised outputs that all share one correlation r."""
    k, r = len(rho), (t * rho).mean()
    return k * (1 - r) ** 2 + redundancy * (((t * rho) ** 2).sum() - k * r**2)


def barlow_minimum(rho: np.ndarray, redundancy: float) -> np.ndarray:
    """Weights of the best such outputs."""
    k = len(rho)

    # Over the redundancy, so that what is left of the loss at a small one is not lost.
    def loss(t: np.ndarray) -> float:
        return barlow_loss(t, rho, redundancy) / redundancy

    def gradient(t: np.ndarray) -> np.ndarray:
        r = (t * rho).mean()
        return 2 * rho * (t * rho - r - (1 - r) / redundancy)

    unit_variances = {"type": "eq", "fun": lambda t: t.sum() - k, "jac": np.ones_like}
    return minimum(loss, k, [unit_variances], gradient=gradient)


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
    ((0.9, 0.8, 0.1, 0.05), 1.0),  # one direction lost
    ((0.9, 0.8, 0.7, 0.4), 0.05),
    ((0.95, 0.6, 0.5, 0.2, 0.1), 0.1),  # three lost
]


@pytest.mark.parametrize(("rho", "redundancy"), SPREAD_AND_REDUNDANCY)
def test_barlow_minimises_over_outputs_of_equal_correlation(rho, redundancy):
    t = weights.barlow_twins(correlations(*rho), redundancy=redundancy)
    expected = barlow_minimum(np.array(rho), redundancy)
    np.testing.assert_allclose(t, expected, atol=2e-5)
    assert (t.numpy() == 0).tolist() == (expected < 1e-6).tolist()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("redundancy", [0.002, 0.02, 0.1, 0.4, 1.0])
def test_barlow_minimises_at_random_correlations(redundancy, seed):
    rng = np.random.default_rng(seed)
    rho = np.sort(rng.uniform(0.03, 0.99, 2 + seed))[::-1].copy()
    t = weights.barlow_twins(torch.tensor(rho), redundancy=redundancy).numpy()
    expected = barlow_minimum(rho, redundancy)
    found, best = (barlow_loss(x, rho, redundancy) for x in (t, expected))
    assert found <= best + 1e-9
    np.testing.assert_allclose(t, expected, atol=1e-4)
    assert t.sum() == pytest.approx(len(rho), rel=1e-9)


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.3), (0.6, 0.5), (0.8, 0.1)])
def test_barlow_loses_the_second_of_two_directions_below_a_redundancy(first, second):
    # With all variance on the first, the loss falls with the second's weight above it.
    edge = (first - second) * (1 - first) / (first * (first + second))
    rho = correlations(first, second)
    lost = weights.barlow_twins(rho, redundancy=0.99 * edge)
    np.testing.assert_allclose(lost, [2, 0], atol=1e-12)
    assert weights.barlow_twins(rho, redundancy=1.01 * edge)[1] > 1e-3


@pytest.mark.parametrize("rho", [(0.9, 0.7, 0.5), (0.97, 0.9, 0.8, 0.72), (0.3, 0.29)])
def test_barlow_of_redundancy_one_spends_a_budget_of_variance(rho):
    # |I - R|^2 at a given trace of S: t = 1/rho - c/rho^2 with c set by sum t = k.
    inverse = 1 / np.array(rho)
    c = (inverse.sum() - len(rho)) / (inverse**2).sum()
    t = weights.barlow_twins(correlations(*rho), redundancy=1.0)
    np.testing.assert_allclose(t, inverse - c * inverse**2, rtol=1e-12)


def test_barlow_gives_up_a_direction_and_takes_it_back():
    # The fourth is lost among four, but not beside a fifth that is no better: every
    # output brings a unit of variance to spend.
    rho = correlations(0.9, 0.8, 0.1, 0.0769, 0.0769)
    assert weights.barlow_twins(rho[:4], redundancy=1.0)[3] == 0
    assert (weights.barlow_twins(rho, redundancy=1.0) > 0.2).all()
    assert (barlow_minimum(rho.numpy(), 1.0) > 0.2).all()


def test_barlow_refuses_where_no_closed_form_is_known():
    message = r"above 2/3 where redundancy is above 1, got 0\.5 and 2\."
    with pytest.raises(ValueError, match=message):
        weights.barlow_twins(correlations(0.9, 0.5), redundancy=2.0)


@pytest.mark.parametrize("rest", [(0.0,), (0.3, -0.2), (0.0, -0.4)])
@pytest.mark.parametrize("redundancy", [0.02, 0.1])
def test_barlow_loses_directions_without_a_positive_correlation(rest, redundancy):
    rho = (0.9, 0.6, *rest)
    t = weights.barlow_twins(correlations(*rho), redundancy=redundancy)
    np.testing.assert_allclose(t, barlow_minimum(np.array(rho), redundancy), atol=2e-5)
    assert t[-1] == 0


@pytest.mark.parametrize("bad", [0.0, -0.2, float("nan")])
def test_barlow_refuses_where_it_has_nothing_to_divide_by(bad):
    with pytest.raises(ValueError, match=r"largest correlation must be .* above 0, got"):
        weights.barlow_twins(correlations(bad, -0.3), redundancy=1.0)
    with pytest.raises(ValueError, match=r"redundancy must be .* above 0, got"):
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


def test_vicreg_refuses_where_outputs_of_one_direction_each_do_better():
    # One direction a term: 2 lam (1 - rho) s - mu sqrt(s + eps), with nothing off the
    # diagonal, against the best outputs of equal variance.
    rho, options = np.array([0.7, 0.5, 0.3]), (25.0, 25.0, 100.0)
    alone = (25 / (100 * (1 - rho))) ** 2 - 1e-4
    each = 50 * (alone * (1 - rho)).sum() + 25 * (1 - np.sqrt(alone + 1e-4)).sum()
    loss = partial(vicreg_loss, rho=rho, options=options)
    assert each < loss(vicreg_minimum(loss, 3)) - 0.1
    with pytest.raises(ValueError, match=r"covariance must be small enough .* got 100 "):
        weights.vicreg(torch.tensor(rho), invariance=25.0, variance=25.0, covariance=100.0)


@pytest.mark.parametrize(
    ("name", "bad", "rule"),
    [
        ("covariance", 0.0, "a finite number above 0"),
        ("invariance", -1.0, "at least 0"),
        ("variance", -1.0, "at least 0"),
    ],
)
def test_vicreg_refuses_weights_out_of_range(name, bad, rule):
    options = {"invariance": 1.0, "variance": 1.0, "covariance": 1.0, name: bad}
    with pytest.raises(ValueError, match=f"{name} must be {rule}, got {bad}"):
        weights.vicreg(correlations(0.5), **options)


# Hard whitening.


def test_hard_whitening_weighs_every_direction_alike():
    t = weights.hard_whitening(correlations(0.9, 0.2, 0.0))
    assert t.tolist() == [1, 1, 1]
    assert t.dtype == torch.float64


# InfoNCE.


# One output of variance u tau: the expectation over z' of exp(critic) is a Gaussian
# integral, and every direction adds a term of its own to loss - log n.
INFO_NCE = {
    "dot": lambda u, rho: -u * rho + u**2 / 2,
    "distance": lambda u, rho: u * (1 - rho) - (np.log1p(u) + u / (1 + u)) / 2,
}


@pytest.mark.parametrize("rho", [-0.3, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("temperature", [0.3, 2.0])
@pytest.mark.parametrize("critic", INFO_NCE)
def test_info_nce_minimises_the_loss_of_gaussian_views(critic, temperature, rho):
    loss = partial(INFO_NCE[critic], rho=rho)
    best = minimize_scalar(loss, bounds=(0, 200), method="bounded").x
    t = weights.info_nce(correlations(rho), temperature=temperature, critic=critic)
    assert t.item() == pytest.approx(temperature * best, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("critic", INFO_NCE)
def test_info_nce_of_a_large_sample_is_the_loss_of_gaussian_views(critic):
    rho, u, temperature = np.array([0.9, 0.4]), np.array([0.5, 0.3]), 3.0
    content, *noise = np.random.default_rng(0).normal(size=(3, 4000, 2))
    z1, z2 = (
        torch.tensor(np.sqrt(u * temperature) * (np.sqrt(rho) * content + private))
        for private in (np.sqrt(1 - rho) * e for e in noise)
    )
    found = losses.info_nce(z1, z2, temperature=temperature, critic=critic).item()
    expected = INFO_NCE[critic](u, rho).sum()
    assert abs(expected) > 0.1
    assert found - np.log(4000) == pytest.approx(expected, abs=0.02)


def test_cosine_info_nce_projects_onto_the_simplex():
    # tau [rho - theta]_+ with sum 1 minimises |t - tau rho|^2 over t >= 0 with sum 1.
    rho = np.array([0.9, 0.85, 0.6, 0.2])
    t = weights.info_nce(torch.tensor(rho), temperature=3.0, critic="cosine")
    sums_to_one = [{"type": "eq", "fun": lambda t: t.sum() - 1}]
    expected = minimum(lambda t: ((t - 3 * rho) ** 2).sum(), 4, sums_to_one)
    np.testing.assert_allclose(t, expected, atol=1e-6)
    assert t[3] == 0


@quick
@given(
    rho=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    temperature=st.floats(0.05, 50),
)
def test_cosine_info_nce_spends_a_unit_above_a_threshold(rho, temperature):
    rho = np.array(sorted(rho, reverse=True))
    t = weights.info_nce(torch.tensor(rho), temperature=temperature, critic="cosine")
    t = t.numpy()
    assert t.sum() == pytest.approx(1, rel=1e-9)
    assert (t >= 0).all()
    assert (np.diff(t) <= 0).all()
    # Kept directions share one threshold, and no lost one is above it.
    kept = t > 0
    threshold = rho[kept] - t[kept] / temperature
    np.testing.assert_allclose(threshold, threshold[0], atol=1e-9)
    assert (rho[~kept] <= threshold[0] + 1e-9).all()


@pytest.mark.parametrize("temperature", np.linspace(3.0, 30.0, 20))
def test_cosine_info_nce_may_keep_a_single_direction(temperature):
    t = weights.info_nce(correlations(0.9, 0.1), temperature=temperature, critic="cosine")
    np.testing.assert_allclose(t, [1, 0], atol=1e-9)


def test_info_nce_refuses_an_unknown_critic_and_a_temperature_of_zero():
    with pytest.raises(ValueError, match=r"temperature must be .* above 0, got 0"):
        weights.info_nce(correlations(0.5), temperature=0.0, critic="dot")
    with pytest.raises(ValueError, match="critic must be one of cosine, dot, distance"):
        # Not a word that the type allows, so past beartype.
        weights.info_nce.__wrapped__(correlations(0.5), temperature=1.0, critic="cos")


# The head.


def test_head_metric_sums_over_generalised_eigenvectors():
    moments = synthetic(torch.linspace(0.9, 0.1, 5).double(), condition=50.0, seed=0)
    # C w = rho Sigma w with w' Sigma w = 1, so w = Sigma^(-1/2) v.
    _, w = scipy.linalg.eigh(moments.cross.numpy(), moments.covariance.numpy())
    t = [2.0, 0.5, 0.0]
    expected = sum(t[j] * np.outer(w[:, -1 - j], w[:, -1 - j]) for j in range(3))
    metric = weights.head_metric(correlations(*t), canonical(moments))
    np.testing.assert_allclose(metric, expected, rtol=1e-8, atol=1e-8)
