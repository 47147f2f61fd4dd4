"""The posterior against Gaussian conditioning, and the metric against differences."""

import numpy as np
import pytest
import scipy.stats
import torch

from geomlib.inversion.posterior import (
    deviations,
    jacobians,
    metrics,
    naive_widths,
    rank_correlations,
    subspace_deviations,
    subspace_posterior,
)


def toy(s=12, d=4, p=7, seed=0):
    rng = np.random.default_rng(seed)
    Q = rng.normal(size=(s, d))
    Q /= np.linalg.norm(Q, axis=1, keepdims=True)
    return torch.tensor(Q), torch.tensor(rng.normal(size=(p, s)))


def test_it_is_gaussian_conditioning():
    # Var(s | Hs + noise) = C - C H' (H C H' + sigma^2 I)^-1 H C for the prior C = Q Q'.
    Q, H = toy()
    C = Q @ Q.T
    K = C @ H.T @ torch.linalg.inv(H @ C @ H.T + 0.3**2 * torch.eye(7, dtype=torch.float64))
    found = subspace_posterior(H.T @ H, Q, noise=0.3)
    torch.testing.assert_close(found, C - K @ H @ C)


def test_it_is_the_spread_of_samples_given_what_was_seen():
    # Regression of s on what is seen leaves residuals of the posterior's covariance.
    Q, H = toy(s=5, d=2, p=2)
    rng = np.random.default_rng(1)
    s = rng.normal(size=(40_000, 2)) @ Q.numpy().T
    seen = s @ H.numpy().T + 0.5 * rng.normal(size=(40_000, 2))
    residual = s - seen @ np.linalg.lstsq(seen, s, rcond=None)[0]
    found = subspace_posterior(H.T @ H, Q, noise=0.5)
    np.testing.assert_allclose(found, np.cov(residual.T), atol=0.02)


def test_without_pixels_the_prior_is_left():
    Q, _ = toy()
    nothing = torch.zeros(3, 12, 12, dtype=torch.float64)
    found = subspace_posterior(nothing, Q, noise=1.0)
    torch.testing.assert_close(found, (Q @ Q.T).expand(3, -1, -1))
    torch.testing.assert_close(deviations(found), torch.ones(3, 12, dtype=torch.float64))


def test_deviations_without_the_covariance_are_those_of_conditioning():
    Q, H = toy()
    C, eye = Q @ Q.T, torch.eye(7, dtype=torch.float64)
    K = C @ H.T @ torch.linalg.inv(H @ C @ H.T + 0.3**2 * eye)
    found = subspace_deviations(torch.stack([H, 0 * H]), Q, noise=0.3)
    torch.testing.assert_close(found[0], (C - K @ H @ C).diagonal().sqrt())
    torch.testing.assert_close(found[1], torch.ones(12, dtype=torch.float64))


def test_styles_on_a_line_are_equally_uncertain_whatever_their_slopes():
    # All styles are u or -u, so each has the variance of u: 1 / (1 + |H q|^2 / sigma^2).
    q = torch.tensor([[1.0], [-1.0], [1.0]], dtype=torch.float64)
    H = torch.tensor([[3.0, 1.0, 0.0]], dtype=torch.float64)
    found = subspace_deviations(H, q, noise=2.0)
    torch.testing.assert_close(found, torch.full((3,), 0.5**0.5, dtype=torch.float64))
    assert naive_widths(H.T @ H).isinf().tolist() == [False, False, True]


def test_naive_widths_rank_independent_styles_right_and_shared_ones_wrong():
    rng = np.random.default_rng(2)
    scales = torch.tensor(np.exp(rng.normal(size=40)))
    G = scales.diag()[None]
    independent = deviations(subspace_posterior(G, torch.eye(40).double(), noise=1.0))
    assert rank_correlations(naive_widths(G), independent).item() == pytest.approx(1)
    Q, _ = toy(s=40, d=5)
    shared = deviations(subspace_posterior(G, Q, noise=1.0))
    assert rank_correlations(naive_widths(G), shared).item() < 0.6


def test_metric_is_that_of_differences():
    rng = np.random.default_rng(3)
    A = torch.tensor(rng.normal(size=(6, 9)))
    styles = torch.tensor(rng.normal(size=(4, 6)))

    def seen(rows):
        return torch.tanh(rows @ A).reshape(len(rows), 1, 3, 3)

    step = 1e-5
    J = torch.stack(
        [
            (seen(styles + step * e) - seen(styles - step * e)).flatten(1) / (2 * step)
            for e in torch.eye(6).double()
        ],
        2,
    )
    torch.testing.assert_close(jacobians(seen, styles), J, rtol=1e-6, atol=1e-8)
    found = metrics(seen, styles)
    torch.testing.assert_close(found, J.mT @ J, rtol=1e-6, atol=1e-8)
    assert not found.requires_grad


def test_rank_correlation_is_scipys():
    first, second = np.random.default_rng(4).normal(size=(2, 3, 15))
    found = rank_correlations(torch.tensor(first), torch.tensor(second))
    for i in range(3):
        expected = scipy.stats.spearmanr(first[i], second[i]).statistic
        assert found[i].item() == pytest.approx(expected)


def test_bad_inputs_are_refused():
    Q, H = toy()
    with pytest.raises(ValueError, match="noise must be a finite number above 0"):
        subspace_posterior(H.T @ H, Q, noise=0.0)
    with pytest.raises(ValueError, match="noise must be a finite number above 0"):
        subspace_deviations(H, Q, noise=-1.0)
    with pytest.raises(ValueError, match="number of rows in standard must be at least 1"):
        metrics(lambda rows: rows, Q[:0])
    with pytest.raises(ValueError, match="number of styles must be at least 2"):
        rank_correlations(torch.ones(2, 1), torch.ones(2, 1))
