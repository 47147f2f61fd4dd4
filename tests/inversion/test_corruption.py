"""Corruption against loops over squares of pixels."""

import pytest
import torch

from geomlib.inversion.corruption import averaged, corrupted


def test_averages_are_those_of_the_squares():
    images = torch.rand(2, 3, 8, 8)
    found = averaged(images, 4)
    for i in range(2):
        for j in range(2):
            square = images[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            torch.testing.assert_close(found[:, :, i, j], square.mean((2, 3)))


def test_noise_lies_on_the_averaged_pixels():
    images = torch.rand(400, 1, 8, 8, dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    found = corrupted(images, 4, noise=0.1, generator=random)
    assert found.shape == images.shape
    small = averaged(found, 4)
    # Constant within a square, and off the average by noise of the deviation asked for.
    torch.testing.assert_close(found[:, :, ::4, ::4], small)
    assert abs((small - averaged(images, 4)).std() - 0.1) < 0.006


def test_factor_one_without_noise_changes_nothing():
    images = torch.rand(2, 1, 8, 8)
    found = corrupted(images, 1, noise=0.0, generator=torch.Generator())
    assert torch.equal(found, images)


def test_bad_inputs_are_refused():
    images = torch.rand(1, 1, 8, 8)
    with pytest.raises(
        ValueError, match=r"factor must divide the sides, got 3 for \(8, 8\)"
    ):
        averaged(images, 3)
    with pytest.raises(ValueError, match="noise must be at least"):
        corrupted(images, 2, noise=-1.0, generator=torch.Generator())
