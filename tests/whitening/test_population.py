"""Population losses against the losses of samples, and their minima against forms."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.optimize import minimize
from torch import Tensor

from geomlib import losses
from geomlib.whitening import population, weights
from geomlib.whitening.moments import Canonical, canonical, synthetic

VICREG = {"invariance": 3.0, "variance": 5.0, "covariance": 2.0}


def exchangeable(seed: int = 0, n: int = 50, k: int = 4) -> tuple[Tensor, Tensor]:
    """Centred views, each sample there twice with its views swapped.

    So both views have one covariance, and their cross-covariance is symmetric.
    """
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(k, k)) / 4
    content = rng.normal(size=(n, k)) @ mixing
    a, b = (torch.tensor(content + 0.2 * rng.normal(size=(n, k))) for _ in range(2))
    z1, z2 = torch.cat([a, b]), torch.cat([b, a])
    return z1 - z1.mean(0), z2 - z2.mean(0)


def second_moments(z1: Tensor, z2: Tensor, correction: int = 0) -> tuple[Tensor, Tensor]:
    n = len(z1) - correction
    return z1.T @ z1 / n, z1.T @ z2 / n


# Against a sample, by its own second moments.


def test_spectral_is_the_samples_once_its_own_pairs_are_counted_too():
    z1, z2 = exchangeable()
    n, pairs = len(z1), (z1 * z2).sum(1)
    # The sample's loss leaves the n pairs i = i out of the repulsion; put them back.
    others = losses.spectral_contrastive(z1, z2) + 2 * pairs.mean()
    everyone = ((n - 1) * others + pairs.square().mean()) / n
    expected = everyone - 2 * pairs.mean()
    found = population.spectral_contrastive(*second_moments(z1, z2))
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("redundancy", [0.0, 0.3, 1.0])
def test_barlow_is_the_samples(redundancy):
    z1, z2 = exchangeable()
    expected = losses.barlow_twins(z1, z2, redundancy=redundancy, eps=0.0)
    found = population.barlow_twins(*second_moments(z1, z2), redundancy=redundancy)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("term", VICREG)
@pytest.mark.parametrize("scale", [0.3, 1.5, 5.0])  # hinge active, mixed, idle
def test_vicreg_is_the_samples_term_by_term(term, scale):
    z1, z2 = (scale * z for z in exchangeable())
    only = {name: value if name == term else 0.0 for name, value in VICREG.items()}
    # Variances are unbiased in the sample's loss, the invariance is a plain mean.
    s, r = second_moments(z1, z2, correction=int(term != "invariance"))
    expected = losses.vicreg(z1, z2, **only).item()
    assert population.vicreg(s, r, **only).item() == pytest.approx(expected, rel=1e-12)


def test_hard_whitening_is_the_distance_of_whitened_views():
    z1, z2 = exchangeable()
    s, r = second_moments(z1, z2)
    whitening = np.linalg.inv(scipy.linalg.sqrtm(s.numpy()))
    expected = (((z1 - z2).numpy() @ whitening) ** 2).sum(axis=1).mean()
    assert population.hard_whitening(s, r).item() == pytest.approx(expected, rel=1e-9)


# Against a large Gaussian sample.


def whitened_cross(form: Canonical) -> Tensor:
    return form.directions @ torch.diag(form.correlations) @ form.directions.T


def gaussian_outputs(form: Canonical, W: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Outputs of both views of n samples, drawn from their joint distribution."""
    sigma, cross = form.root @ form.root, form.root @ whitened_cross(form) @ form.root
    joint = torch.cat([torch.cat([sigma, cross]), torch.cat([cross, sigma])], dim=1)
    normal = torch.tensor(np.random.default_rng(0).normal(size=(n, len(joint))))
    first, second = (normal @ torch.linalg.cholesky(joint).T).chunk(2, dim=1)
    return first @ W.T, second @ W.T


def spectral_of_batches(z1: Tensor, z2: Tensor) -> Tensor:
    """Mean over batches, because one loss of all samples needs all pairs of them."""
    batches = zip(z1.split(200), z2.split(200), strict=True)
    return torch.stack([losses.spectral_contrastive(a, b) for a, b in batches]).mean()


@pytest.mark.parametrize(
    ("sampled", "whole"),
    [
        (spectral_of_batches, population.spectral_contrastive),
        (
            partial(losses.barlow_twins, redundancy=0.3),
            partial(population.barlow_twins, redundancy=0.3),
        ),
        (partial(losses.vicreg, **VICREG), partial(population.vicreg, **VICREG)),
    ],
    ids=["spectral", "barlow", "vicreg"],
)
def test_loss_of_a_large_sample_is_the_populations(sampled, whole):
    form = canonical(synthetic(torch.tensor([0.9, 0.6, 0.2]).double(), condition=9, seed=0))
    W = torch.tensor(np.random.default_rng(1).normal(size=(2, 3)))
    A, K = W @ form.root, whitened_cross(form)
    expected = whole(A @ A.T, A @ K @ A.T).item()
    found = sampled(*gaussian_outputs(form, W, n=200_000)).item()
    assert found == pytest.approx(expected, rel=0.02)


# At the closed form the gradient vanishes.


def optimum(t: Tensor, form: Canonical) -> Tensor:
    """A = W Sigma^(1/2) of a head that weighs by t, with equal output moments.

    A Hadamard matrix has entries of one modulus, so each output mixes all directions
    evenly: the diagonals of S and of R are constant.
    """
    k = len(t)
    Q = torch.tensor(scipy.linalg.hadamard(k) / k**0.5)
    A = Q @ torch.diag(t.sqrt()) @ form.directions[:, :k].T
    W = A @ form.inverse_root
    torch.testing.assert_close(W.T @ W, weights.head_metric(t, form))
    return A


def gradient(
    loss: Callable[[Tensor, Tensor], Tensor], A: Tensor, form: Canonical
) -> Tensor:
    K = whitened_cross(form)
    A = A.clone().requires_grad_()
    return torch.autograd.grad(loss(A @ A.T, A @ K @ A.T), A)[0]


def a_form(top: float, bottom: float, k: int) -> Canonical:
    rho = torch.cat([torch.linspace(top, bottom, k), torch.tensor([0.2, 0.1])]).double()
    return canonical(synthetic(rho, condition=100.0, seed=k))


@pytest.mark.parametrize("k", [2, 4, 8])
def test_spectral_gradient_vanishes_at_the_closed_form(k):
    form = a_form(0.9, 0.4, k)
    A = optimum(weights.spectral_contrastive(form.correlations[:k]), form)
    assert gradient(population.spectral_contrastive, A, form).abs().max() < 1e-8
    loss = population.spectral_contrastive(A @ A.T, A @ whitened_cross(form) @ A.T)
    rho = np.linspace(0.9, 0.4, k)
    assert loss.item() == pytest.approx(-(rho**2).sum(), rel=1e-6)


@pytest.mark.parametrize("k", [2, 4, 8])
def test_hard_whitening_gradient_vanishes_at_the_closed_form(k):
    form = a_form(0.9, 0.4, k)
    A = optimum(weights.hard_whitening(form.correlations[:k]), form)
    assert gradient(population.hard_whitening, A, form).abs().max() < 1e-8
    loss = population.hard_whitening(A @ A.T, A @ whitened_cross(form) @ A.T)
    rho = np.linspace(0.9, 0.4, k)  # Ky Fan: the trace of R is at most their sum
    assert loss.item() == pytest.approx(2 * (k - rho.sum()), rel=1e-6)


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("redundancy", [0.3, 1.0, 3.0])
def test_barlow_gradient_vanishes_at_the_closed_form(k, redundancy):
    form = a_form(0.9, 0.7, k)
    t = weights.barlow_twins(form.correlations[:k], redundancy=redundancy)
    loss = partial(population.barlow_twins, redundancy=redundancy)
    assert gradient(loss, optimum(t, form), form).abs().max() < 1e-8
    assert gradient(loss, optimum(t.flip(0), form), form).abs().max() > 1e-3


# Beyond stationarity: no head does better.


def value(loss: Callable[[Tensor, Tensor], Tensor], A: Tensor, form: Canonical) -> float:
    return loss(A @ A.T, A @ whitened_cross(form) @ A.T).item()


def smallest_rise(
    loss: Callable[[Tensor, Tensor], Tensor], A: Tensor, form: Canonical, *, scale: float
) -> float:
    """Least that the loss gains by a random move of the head, of fifty."""
    moves = torch.tensor(np.random.default_rng(0).normal(size=(50, *A.shape)))
    return min(value(loss, A + scale * E, form) for E in moves) - value(loss, A, form)


def descended(
    loss: Callable[[Tensor, Tensor], Tensor], form: Canonical, k: int, num_starts: int = 2
) -> tuple[float, np.ndarray]:
    """Best of a few minima over heads of k outputs, by scipy from random heads."""
    d = len(form.correlations)

    def loss_and_gradient(a: np.ndarray) -> tuple[float, np.ndarray]:
        A = torch.tensor(a.reshape(k, d))
        return value(loss, A, form), gradient(loss, A, form).numpy().ravel()

    options = {"maxiter": 3000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-10}
    found = [
        minimize(
            loss_and_gradient,
            np.random.default_rng(start).normal(size=k * d),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        for start in range(num_starts)
    ]
    best = min(found, key=lambda f: f.fun)
    return best.fun, best.x.reshape(k, d)


def form_of(*rho: float, seed: int = 0) -> Canonical:
    return canonical(synthetic(torch.tensor(rho).double(), condition=30.0, seed=seed))


def test_hard_whitening_does_not_see_an_invertible_map_of_the_outputs():
    form = a_form(0.9, 0.4, 4)
    rng = np.random.default_rng(0)
    A, M = torch.tensor(rng.normal(size=(3, 6))), torch.tensor(rng.normal(size=(3, 3)))
    expected = value(population.hard_whitening, A, form)
    assert value(population.hard_whitening, M @ A, form) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("k", [1, 2, 4])
def test_no_head_is_below_ky_fan(k):
    form = a_form(0.9, 0.4, 4)
    least = 2 * (1 - form.correlations[:k]).sum().item()
    A = optimum(weights.hard_whitening(form.correlations[:k]), form)
    assert value(population.hard_whitening, A, form) == pytest.approx(least, rel=1e-9)
    for scale in (0.01, 0.1, 10.0):  # the last is as good as a random head
        rise = smallest_rise(population.hard_whitening, A, form, scale=scale)
        assert rise > 0
    assert descended(population.hard_whitening, form, k)[0] == pytest.approx(
        least, rel=1e-6
    )


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_barlow_of_a_large_redundancy_rises_around_the_closed_form(k, seed):
    rho = np.sort(np.random.default_rng(seed).uniform(0.7, 1, k))[::-1]
    form = form_of(*rho, 0.6, 0.3, seed=seed)
    t = weights.barlow_twins(form.correlations[:k], redundancy=10.0)
    loss, A = partial(population.barlow_twins, redundancy=10.0), optimum(t, form)
    assert gradient(loss, A, form).abs().max() < 1e-8
    for scale in (1e-3, 1e-2, 0.1):
        assert smallest_rise(loss, A, form, scale=scale) > 0
    # Outputs of slightly unequal correlation gain a little, below a millionth.
    found, _ = descended(loss, form, k)
    assert found == pytest.approx(value(loss, A, form), rel=1e-5)


def one_direction_each(form: Canonical, k: int) -> Tensor:
    return form.directions[:, :k].T.clone()


@pytest.mark.parametrize("rho", [(0.66, 0.6, 0.5), (0.65, 0.4, 0.2, 0.1)])
def test_barlow_below_two_thirds_rises_around_one_direction_an_output(rho):
    k, form = len(rho), form_of(*rho, 0.05, 0.01)
    loss, A = partial(population.barlow_twins, redundancy=1e3), one_direction_each(form, k)
    t = weights.hard_whitening(form.correlations[:k])
    torch.testing.assert_close(
        form.inverse_root @ A.T @ A @ form.inverse_root, weights.head_metric(t, form)
    )
    assert gradient(loss, A, form).abs().max() < 1e-8
    for scale in (1e-3, 1e-2, 0.1):
        assert smallest_rise(loss, A, form, scale=scale) > 0


@pytest.mark.parametrize(("rho", "rises"), [((0.66, 0.5), True), ((0.9, 0.7), False)])
def test_two_thirds_decide_whether_outputs_mix(rho, rises):
    # Two outputs turn towards each other at rates that keep them uncorrelated across
    # views; the redundancy then does not see it, and the diagonal decides.
    form = form_of(*rho, 0.1)
    turn = torch.tensor([[1.0, 0.1], [-0.1 * rho[1] / rho[0], 1.0]], dtype=torch.float64)
    loss, A = partial(population.barlow_twins, redundancy=1e3), one_direction_each(form, 2)
    assert (value(loss, turn @ A, form) > value(loss, A, form)) == rises


@pytest.mark.parametrize(
    ("rho", "k", "redundancy", "num_lost"),
    [
        ((0.9, 0.7, 0.5, 0.2), 3, 1.0, 0),
        ((0.9, 0.3, 0.1), 2, 0.3, 0),
        ((0.9, 0.8, 0.7, 0.4, 0.1), 4, 0.05, 1),
        ((0.9, 0.8, 0.7, 0.6, 0.3, 0.1), 5, 0.3, 1),
    ],
)
def test_barlow_closed_form_is_the_minimum_over_all_heads(rho, k, redundancy, num_lost):
    form = form_of(*rho)
    t = weights.barlow_twins(form.correlations[:k], redundancy=redundancy)
    assert (t == 0).sum() == num_lost
    loss = partial(population.barlow_twins, redundancy=redundancy)
    y = t * form.correlations[:k]
    r = y.mean()
    expected = k * (1 - r) ** 2 + redundancy * (y.square().sum() - k * r**2)
    found, A = descended(loss, form, k)
    assert found == pytest.approx(expected.item(), rel=1e-8)
    A = torch.tensor(A / np.linalg.norm(A, axis=1, keepdims=True))
    top = form.directions[:, :k]
    np.testing.assert_allclose(A.T @ A, top @ torch.diag(t) @ top.T, atol=1e-5)


# Where VICReg's hinge is idle, active or in between.


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("top", [0.64, 0.56])
def test_vicreg_gradient_vanishes_where_the_hinge_gives_way(k, top):
    options = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
    form = a_form(top, 0.4, k)
    t = weights.vicreg(form.correlations[:k], **options)
    assert t.mean() < 0.999
    loss = partial(population.vicreg, **options)
    assert gradient(loss, optimum(t, form), form).abs().max() < 1e-6


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("options", [(1.0, 25.0, 25.0), (25.0, 25.0, 1.0)])
def test_vicreg_gradient_is_one_of_the_hinges_where_it_holds(k, options):
    names = ("invariance", "variance", "covariance")
    options = dict(zip(names, options, strict=True))
    form = a_form(0.97, 0.85, k)
    t = weights.vicreg(form.correlations[:k], **options)
    A = optimum(t, form)
    # At the kink -A / (k sqrt(s + eps)) is the hinge's steepest gradient, and every
    # share of it, from 0 to all, is one too; here s + eps = 1.
    smooth = gradient(partial(population.vicreg, **{**options, "variance": 0.0}), A, form)
    share = (smooth * A).sum() / A.square().sum() * k / options["variance"]
    assert 0 < share < 1
    assert (smooth - share * options["variance"] * A / k).abs().max() < 1e-6


# The descent.


def test_optimal_head_reaches_the_spectral_minimum():
    form = a_form(0.9, 0.5, 3)
    state = torch.get_rng_state()
    fit = partial(
        population.optimal_head,
        population.spectral_contrastive,
        form,
        num_outputs=3,
        num_steps=600,
        learning_rate=0.03,
    )
    W = fit(seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(W, fit(seed=0))
    other = fit(seed=1)
    assert not torch.isclose(W, other).all()  # another rotation of the same metric
    metric = weights.head_metric(form.correlations[:3], form)
    for found in (W, other):
        np.testing.assert_allclose(found.T @ found, metric, rtol=1e-4, atol=1e-3)


def test_optimal_head_is_watched_from_its_start_to_before_its_last_step():
    seen: list[Tensor] = []
    form = a_form(0.9, 0.5, 3)
    options = {"num_outputs": 2, "learning_rate": 0.1, "seed": 0}
    loss = population.spectral_contrastive
    W = population.optimal_head(loss, form, num_steps=3, watch=seen.append, **options)
    assert len(seen) == 3
    assert not seen[0].requires_grad
    A = seen[0] @ form.root
    value = loss(A @ A.T, A @ whitened_cross(form) @ A.T)
    later = W @ form.root
    assert loss(later @ later.T, later @ whitened_cross(form) @ later.T) < value
    assert not torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[2], W)


@pytest.mark.parametrize(
    ("num", "message"),
    [
        (0, "num_outputs must be at least 1, got 0"),
        (6, "dimension of the representations less num_outputs must be at least 0, got -1"),
    ],
)
def test_optimal_head_refuses_more_outputs_than_dimensions(num, message):
    with pytest.raises(ValueError, match=message):
        population.optimal_head(
            population.spectral_contrastive,
            a_form(0.9, 0.5, 3),
            num_outputs=num,
            num_steps=1,
            learning_rate=0.1,
            seed=0,
        )
