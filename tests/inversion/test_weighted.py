"""Weighted random styles against the Gaussian posterior in closed form."""

import numpy as np
import pytest
import scipy.stats
import torch

from geomlib.inversion.posterior import subspace_deviations
from geomlib.inversion.weighted import (
    effective_number,
    likelihood_weights,
    weighted_quantiles,
)


def test_widths_of_a_linear_map_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    Q = rng.normal(size=(6, 2))
    Q /= np.linalg.norm(Q, axis=1, keepdims=True)
    H = rng.normal(size=(3, 6))
    drawn = rng.normal(size=(60_000, 2)) @ Q.T
    seen = drawn[:2] @ H.T + 0.7 * rng.normal(size=(2, 3))
    drawn, seen, Q, H = (torch.tensor(a) for a in (drawn, seen, Q, H))
    weights = likelihood_weights(seen, drawn @ H.T, noise=0.7)
    low, high = (weighted_quantiles(drawn, weights, level) for level in (0.05, 0.95))
    expected = 2 * scipy.stats.norm.ppf(0.95) * subspace_deviations(H, Q, noise=0.7)
    assert (effective_number(weights) > 1000).all()
    torch.testing.assert_close(high - low, expected.expand(2, -1), rtol=0.1, atol=0)


def test_quantiles_of_equal_weights_are_numpys():
    drawn = torch.tensor(np.random.default_rng(1).normal(size=(101, 4)))
    even = torch.full((1, 101), 1 / 101, dtype=torch.float64)
    expected = np.quantile(drawn.numpy(), 0.3, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(weighted_quantiles(drawn, even, 0.3)[0], expected)


def test_a_weight_of_two_is_two_draws():
    drawn = torch.tensor([[1.0], [2.0], [3.0]])
    found = weighted_quantiles(drawn, torch.tensor([[0.25, 0.25, 0.5]]), 0.6)
    assert found.item() == 3.0
    assert effective_number(torch.tensor([[1.0, 0.0, 0.0]])).item() == 1.0


def test_far_images_weigh_by_their_distance_alone():
    # exp(-d^2 / 2 sigma^2) is 0 for both in float32; their ratio is not.
    found = likelihood_weights(
        torch.zeros(1, 1), torch.tensor([[30.0], [30.01]]), noise=1.0
    )
    expected = 1 / (1 + np.exp(-(30.01**2 - 30**2) / 2))
    assert found[0, 0].item() == pytest.approx(expected, abs=1e-3)


def test_bad_inputs_are_refused():
    one = torch.ones(1, 1)
    with pytest.raises(ValueError, match="noise must be a finite number above 0"):
        likelihood_weights(one, one, noise=0.0)
    with pytest.raises(ValueError, match="number of random images in drawn"):
        likelihood_weights(one, one[:0], noise=1.0)
    with pytest.raises(ValueError, match=r"level must be above 0 and below 1, got 1\.0"):
        weighted_quantiles(one, one, 1.0)
