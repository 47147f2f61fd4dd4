"""Standardised styles against the moments of many draws."""

import pytest
import torch

from geomlib.inversion.gan import digit_generator
from geomlib.inversion.style_space import style_space


def space(seed=0):
    return style_space(digit_generator(seed).eval().requires_grad_(False), seed=1)


def test_drawn_styles_are_standard_and_have_the_covariance_of_the_basis():
    found = space()
    standard, images = found.draw(2_000, torch.Generator().manual_seed(2))
    assert images.shape == (2_000, 1, 16, 16)
    # Means of n draws are off by 1 / sqrt(n), covariances by up to sqrt(2 / n): here five
    # of these for the largest of many.
    assert standard.mean(0).abs().max() < 5 / 2_000**0.5
    covariance = found.basis @ found.basis.T
    torch.testing.assert_close(covariance.diagonal(), torch.ones(128))
    assert (standard.T.cov() - covariance).abs().max() < 5 * (2 / 2_000) ** 0.5


def test_styles_lie_in_the_span_of_the_basis():
    found = space()
    standard, _ = found.draw(50, torch.Generator().manual_seed(3))
    Q, _ = torch.linalg.qr(found.basis)
    assert (standard - standard @ Q @ Q.T).abs().max() < 1e-4
    assert found.basis.shape == (128, 16)


def test_styles_give_back_their_images():
    found = space()
    standard, images = found.draw(4, torch.Generator().manual_seed(4))
    torch.testing.assert_close(found.images(standard), images, rtol=1e-4, atol=1e-4)


def test_styles_that_do_not_vary_are_refused():
    generator = digit_generator(0).eval().requires_grad_(False)
    generator.synthesis.b8.conv1.affine.weight.zero_()
    with pytest.raises(ValueError, match="generator must have styles that vary, got 16 of"):
        style_space(generator, seed=0)
    with pytest.raises(ValueError, match="num_samples must be at least 17"):
        style_space(generator, num_samples=16, seed=0)
