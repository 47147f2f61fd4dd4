"""Moments against scipy's generalised eigenproblem and loops over pairs of views."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geomlib.whitening.moments import (
    Moments,
    canonical,
    moments_of_views,
    principal_subspace,
    project,
    synthetic,
)

seeds = st.integers(0, 2**31 - 1)
quick = settings(max_examples=25, deadline=None)


def of_content_and_noise(seed: int = 0, d: int = 5) -> Moments:
    """Two views that share a content and have a noise each: C <= Sigma."""
    G, H = np.random.default_rng(seed).normal(size=(2, d, d))
    return Moments(torch.tensor(G @ G.T + H @ H.T), torch.tensor(G @ G.T))


def some_views(seed: int = 0, v: int = 3, n: int = 6, d: int = 4) -> Tensor:
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(1, n, d)) + rng.normal(size=d)
    return torch.tensor(content + 0.5 * rng.normal(size=(v, n, d)))


def rotation(seed: int, d: int) -> Tensor:
    return torch.tensor(np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0])


# Canonical form.


@pytest.mark.parametrize("d", [1, 2, 7])
def test_canonical_solves_the_generalised_eigenproblem(d):
    moments = of_content_and_noise(d=d)
    # C w = rho Sigma w with w' Sigma w = 1; then v = Sigma^(1/2) w, up to its sign.
    rho, w = scipy.linalg.eigh(moments.cross.numpy(), moments.covariance.numpy())
    form = canonical(moments)
    np.testing.assert_allclose(form.correlations, rho[::-1], rtol=1e-9)
    found = (form.inverse_root @ form.directions).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(w[:, ::-1]), rtol=1e-6, atol=1e-9)


def test_root_is_scipys_and_its_inverse_inverts_it():
    moments = of_content_and_noise()
    form = canonical(moments)
    expected = scipy.linalg.sqrtm(moments.covariance.numpy())
    np.testing.assert_allclose(form.root, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(form.root @ form.inverse_root, np.eye(5), atol=1e-9)


@quick
@given(seed=seeds)
def test_correlations_do_not_see_a_linear_map_of_the_representation(seed):
    moments = of_content_and_noise(seed)
    scales = torch.tensor(np.random.default_rng(seed).uniform(0.1, 10, 5))
    mapped = project(moments, rotation(seed, 5) * scales)
    np.testing.assert_allclose(
        canonical(mapped).correlations, canonical(moments).correlations, atol=1e-6
    )


def test_canonical_refuses_a_singular_covariance_and_names_a_cure_that_cures():
    views = some_views(n=50)
    dead = torch.cat([views, torch.zeros(3, 50, 1), views[..., :1]], dim=2)
    moments = moments_of_views(dead)
    message = r"covariance must be positive definite.*principal subspace first"
    with pytest.raises(ValueError, match=message):
        canonical(moments)
    basis = principal_subspace(moments, threshold=1e-9)
    assert basis.shape == (6, 4)
    # Only the coordinates differ from those of the views without the dead units.
    np.testing.assert_allclose(
        canonical(project(moments, basis)).correlations,
        canonical(moments_of_views(views)).correlations,
        atol=1e-9,
    )


# Moments of views.


@pytest.mark.parametrize("v", [2, 3, 5])
def test_moments_of_views_are_loops_over_pairs(v):
    views = some_views(v=v).numpy()
    h = views - views.mean(axis=(0, 1))
    n = h.shape[1]
    covariance = np.mean([np.outer(x, x) for x in h.reshape(-1, 4)], axis=0)
    cross = np.mean(
        [
            np.outer(h[a, i], h[b, i])
            for i in range(n)
            for a in range(v)
            for b in range(v)
            if a != b
        ],
        axis=0,
    )
    moments = moments_of_views(torch.tensor(views))
    np.testing.assert_allclose(moments.covariance, covariance, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(moments.cross, cross, rtol=1e-10, atol=1e-12)


def test_project_is_the_moments_of_the_projected_views():
    views, basis = some_views(), rotation(0, 4)[:, :2]
    projected, direct = (
        project(moments_of_views(views), basis),
        moments_of_views(views @ basis),
    )
    np.testing.assert_allclose(projected.covariance, direct.covariance, atol=1e-12)
    np.testing.assert_allclose(projected.cross, direct.cross, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 6, 4), "number of views must be at least 2, got 1"),
        ((3, 1, 4), "number of samples must be at least 2, got 1"),
    ],
)
def test_moments_of_views_refuses_what_has_no_moments(shape, message):
    with pytest.raises(ValueError, match=message):
        moments_of_views(torch.ones(shape))


def test_moments_of_views_refuses_nan():
    views = some_views()
    views[1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="views must be finite, got 1 bad of 72"):
        moments_of_views(views)


# Principal subspace.


@pytest.mark.parametrize(("threshold", "kept"), [(1e-4, 3), (1e-5, 4), (0.5, 1)])
def test_principal_subspace_keeps_the_directions_above_the_threshold(threshold, kept):
    Q = rotation(0, 5)
    variances = torch.tensor([2e-3, 2.0, 0.0, 1e-4, 4e-4], dtype=torch.float64)
    moments = Moments(Q @ torch.diag(variances) @ Q.T, torch.zeros(5, 5).double())
    basis = principal_subspace(moments, threshold=threshold)
    expected = Q[:, variances.argsort(descending=True)[:kept]]
    # Each column is the eigenvector in its place, up to its sign.
    np.testing.assert_allclose((basis.T @ expected).abs(), np.eye(kept), atol=1e-9)


# Synthetic moments.


@pytest.mark.parametrize("condition", [1.0, 30.0, 1e4])
def test_synthetic_has_the_condition_and_correlations_asked(condition):
    rho = torch.tensor([0.2, 0.97, 0.5, 0.0, 0.5], dtype=torch.float64)
    moments = synthetic(rho, condition=condition, seed=3)
    covariance, cross = moments.covariance.numpy(), moments.cross.numpy()
    found = scipy.linalg.eigh(cross, covariance, eigvals_only=True)
    np.testing.assert_allclose(found, np.sort(rho), atol=1e-9)
    variances = np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(variances, np.geomspace(1 / condition, 1, 5), rtol=1e-9)


def test_synthetic_has_no_canonical_direction_among_the_principal_ones():
    rho = torch.linspace(0.9, 0.1, 5, dtype=torch.float64)
    moments = synthetic(rho, condition=100.0, seed=0)
    principal = torch.linalg.eigh(moments.covariance).eigenvectors
    assert (principal.T @ canonical(moments).directions).abs().max() < 0.95


def test_synthetic_is_decided_by_its_seed_alone():
    rho, state = torch.tensor([0.9, 0.5]), torch.get_rng_state()
    first, same, other = (synthetic(rho, condition=9.0, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.covariance, same.covariance)
    assert torch.equal(first.cross, same.cross)
    assert not torch.isclose(first.covariance, other.covariance).all()


@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan")])
def test_synthetic_refuses_what_no_two_views_have(bad):
    with pytest.raises(ValueError, match=r"correlations must lie in \[0, 1\), got \[0.5"):
        synthetic(torch.tensor([0.5, bad]), condition=2.0, seed=0)
    with pytest.raises(ValueError, match=r"condition must be at least 1, got 0.5"):
        synthetic(torch.tensor([0.5]), condition=0.5, seed=0)
