"""Paths of images under rotation, hue, saturation and blur."""

import colorsys

import pytest
import torch

from geomlib.data.image_orbits import KINDS, image_orbit, normalised


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_orbits_have_a_step_for_each_strength_and_stay_colours(images, kind):
    path = image_orbit(images, kind, num_steps=5)
    assert path.shape == (5, *images.shape)
    assert path.min() >= 0
    assert path.max() <= 1 + 1e-6


def test_rotation_begins_with_the_image_and_fills_with_black():
    white = torch.ones(1, 3, 33, 33)
    path = image_orbit(white, "rotation", num_steps=2)
    torch.testing.assert_close(path[0], white)
    # At 45 degrees a corner lies outside, the centre does not.
    assert path[1, 0, :, 0, 0].max() == 0
    assert path[1, 0, :, 16, 16].min() == 1


def test_hue_turns_the_colour_circle():
    colour = (0.9, 0.3, 0.1)
    image = torch.tensor(colour)[None, :, None, None].expand(1, 3, 4, 4)
    path = image_orbit(image, "hue", num_steps=5)  # -0.4, -0.2, 0, 0.2, 0.4
    h, s, v = colorsys.rgb_to_hsv(*colour)
    for step, shift in zip(path, (-0.4, -0.2, 0.0, 0.2, 0.4), strict=True):
        expected = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
        torch.testing.assert_close(
            step[0, :, 0, 0], torch.tensor(expected), atol=1e-5, rtol=0
        )


def test_saturation_goes_from_grey_through_the_image(images):
    path = image_orbit(images, "saturation", num_steps=3)
    assert (path[0].amax(1) - path[0].amin(1)).max() < 1e-6
    torch.testing.assert_close(path[1], images)


def test_blur_takes_variance_away_step_by_step(images):
    variances = image_orbit(images, "blur", num_steps=4).var((1, 2, 3, 4))
    assert (variances.diff() < 0).all()
    # White noise under a wide Gaussian of width s keeps 1 / (4 pi s^2) of its variance.
    noise = torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(1))
    blurred = image_orbit(noise, "blur", num_steps=2)[1, ..., 20:-20, 20:-20]
    kept = blurred.var() / noise.var()
    assert float(kept) == pytest.approx(1 / (4 * torch.pi * 9), rel=0.1)


def test_normalised_images_are_refused_and_so_are_unknown_kinds(images):
    with pytest.raises(ValueError, match=r"images must have colours in \[0, 1\], got -"):
        image_orbit(normalised(images), "hue")
    with pytest.raises(ValueError, match="kind must be one of rotation, hue"):
        image_orbit(images, "shear")
    with pytest.raises(ValueError, match="num_steps must be at least 2, got 1"):
        image_orbit(images, "hue", num_steps=1)


def test_normalised_is_by_channel():
    grey = torch.full((2, 1, 3, 4, 4), 0.5)
    expected = [(0.5 - m) / d for m, d in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    torch.testing.assert_close(normalised(grey)[1, 0, :, 2, 2], torch.tensor(expected))
