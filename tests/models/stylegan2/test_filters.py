"""Doubling the resolution against scipy's upfirdn."""

import numpy as np
import scipy.signal
import torch

from geomlib.models.stylegan2.filters import binomial_filter, smoothed, upsampled

TAPS = np.array([1.0, 3.0, 3.0, 1.0])


def test_the_filter_sums_to_one():
    kernel = binomial_filter()
    assert kernel.sum() == 1
    np.testing.assert_allclose(kernel, np.outer(TAPS, TAPS) / 64)


def test_upsampling_is_scipys():
    images = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    # Along each axis: zeros between, the taps with sum 2, one sample cut off.
    expected = images
    for axis in (2, 3):
        size = 2 * images.shape[axis]
        wide = scipy.signal.upfirdn(TAPS / 4, expected, up=2, axis=axis)
        expected = wide.take(range(1, size + 1), axis=axis)
    found = upsampled(torch.tensor(images), binomial_filter())
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_filter_without_symmetry_is_convolved_with():
    kernel = torch.tensor(np.random.default_rng(1).normal(size=(4, 4)))
    maps = np.random.default_rng(2).normal(size=(2, 2, 7, 7))
    found = smoothed(torch.tensor(maps), kernel)
    for n in range(2):
        for c in range(2):
            whole = scipy.signal.convolve2d(np.pad(maps[n, c], 1), 4 * kernel, mode="valid")
            np.testing.assert_allclose(found[n, c], whole, rtol=1e-10, atol=1e-12)
