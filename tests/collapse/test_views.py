"""Synthetic inputs: the moments and the signs that their docstrings state."""

import numpy as np
import pytest
import scipy.stats
import torch

from geomlib.collapse.views import patterned_views, skewed_views


def test_skewed_views_have_the_moments_stated():
    first, second = skewed_views(num_samples=200_000, dim=3, noise=0.6, seed=0)
    # A view: variance 1 + noise^2; the third moment is the content's.
    np.testing.assert_allclose(first.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(first.var(0), 1.36, atol=0.03)
    np.testing.assert_allclose(torch.cov(first.mT).fill_diagonal_(0), 0, atol=0.02)
    np.testing.assert_allclose((first * second).mean(0), 1, atol=0.02)
    # E[(g + (g^2 - 1) / 2)^3] = 3 + 1 = 4 over (3/2)^(3/2).
    (content, _) = skewed_views(num_samples=200_000, dim=3, noise=0.0, seed=1)
    skewness = scipy.stats.skew(content.numpy())
    np.testing.assert_allclose(skewness, 4 / 1.5**1.5, rtol=0.05)


def test_patterned_views_stay_away_from_zero_and_flip_as_often_as_stated():
    views = patterned_views(num_samples=40_000, flip_probability=0.15, seed=0)
    first = views[..., 0]
    assert first.abs().min() >= 1
    assert first.abs().max() <= 1.5
    assert first.sign().mean().item() == pytest.approx(0, abs=0.01)
    agree = (first[0].sign() == first[1].sign()).double().mean().item()
    assert agree == pytest.approx(0.85**2 + 0.15**2, abs=0.01)
    assert abs(np.corrcoef(first[0], views[1, :, 1])[0, 1]) < 0.02
    unflipped = patterned_views(num_samples=10, flip_probability=0.0, seed=3)[..., 0]
    assert unflipped.sign().sum(1).tolist() == [0, 0]


@pytest.mark.parametrize("make", [skewed_views, patterned_views])
def test_seeds_decide(make):
    assert torch.equal(make(seed=0), make(seed=0))
    assert not torch.equal(make(seed=0), make(seed=1))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"num_samples": 7}, "num_samples must be even and at least 2, got 7"),
        ({"dim": 1}, "dim must be at least 2, got 1"),
        ({"noise": -1.0}, "noise must be at least 0, got -1.0"),
        ({"flip_probability": 1.5}, "flip_probability must be between 0 and 1, got 1.5"),
    ],
)
def test_refuses_what_has_no_patterns(bad, message):
    with pytest.raises(ValueError, match=message):
        patterned_views(seed=0, **bad)


def test_refuses_a_single_sample():
    with pytest.raises(ValueError, match="num_samples must be at least 2, got 1"):
        skewed_views(num_samples=1, seed=0)
