"""Views with known parameters, against scipy's rotation, hand-made shifts, closed forms."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from geomlib.data.poses import Strength, drawn_parameters, posed, posed_views

ALL = Strength(rotation=30.0, shift=0.125, brightness=0.4)


def image(side: int = 9) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.tensor(rng.uniform(size=(1, 1, side, side)))


def parameters(**changes: float) -> Tensor:
    names = ("rotation", "right", "down", "brightness")
    values = [[changes.get(name, 0.0) for name in names]]
    return torch.tensor(values, dtype=torch.float64)


def test_parameters_of_zero_change_nothing():
    np.testing.assert_allclose(posed(image(), parameters()), image(), atol=1e-12)


@pytest.mark.parametrize("angle", [90.0, 30.0, -17.0])
def test_a_turn_is_scipys(angle):
    turned = posed(image(), parameters(rotation=angle))[0, 0].numpy()
    # scipy turns from the first axis to the second: counter-clockwise as seen.
    expected = ndimage.rotate(image()[0, 0].numpy(), angle, reshape=False, order=1)
    # Near the frame they fill in differently.
    np.testing.assert_allclose(turned[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-6)


@pytest.mark.parametrize(
    ("padding", "edge"), [("zeros", 0), ("border", 1), ("reflection", 1)]
)
def test_a_shift_by_whole_pixels_moves_the_pixels(padding, edge):
    x = image()
    shifted = posed(x, parameters(right=1 / 9, down=2 / 9), padding=padding)
    np.testing.assert_allclose(shifted[..., 2:, 1:], x[..., :-2, :-1], atol=1e-12)
    # One column beyond the frame is the frame's own column, or nothing.
    np.testing.assert_allclose(shifted[..., 2:, 0], edge * x[..., :-2, 0], atol=1e-12)


def test_a_picture_is_turned_first_and_then_shifted():
    both = posed(image(), parameters(rotation=90.0, right=1 / 9))
    turned = posed(image(), parameters(rotation=90.0))
    np.testing.assert_allclose(both, posed(turned, parameters(right=1 / 9)), atol=1e-12)


def test_brightness_is_a_logarithm_and_is_not_cut():
    brighter = posed(image(), parameters(brightness=math.log(3)))
    np.testing.assert_allclose(brighter, 3 * image(), rtol=1e-12)
    assert brighter.max() > 1


def test_each_image_has_its_own_parameters():
    x = image().expand(3, 2, -1, -1)
    many = torch.cat([parameters(rotation=20.0), parameters(down=0.3), parameters()])
    together = posed(x, many)
    for i in range(3):
        np.testing.assert_allclose(together[i], posed(x[i : i + 1], many[i : i + 1])[0])


def test_parameters_are_uniform_within_the_strength():
    draw = partial(drawn_parameters, 20_000, strength=ALL)
    p = draw(generator=torch.Generator().manual_seed(0)).double()
    scale = torch.tensor(ALL.scale).double()
    assert (p.abs() <= scale).all()
    np.testing.assert_allclose(p.mean(0) / scale, 0, atol=0.02)
    np.testing.assert_allclose(p.var(0) / scale**2, 1 / 3, atol=0.01)
    np.testing.assert_allclose(torch.corrcoef(p.T), np.eye(4), atol=0.03)


def test_random_views_are_posed_with_the_drawn_parameters():
    x = image().expand(5, -1, -1, -1)
    p = drawn_parameters(5, strength=ALL, generator=torch.Generator().manual_seed(3))
    views = posed_views(x, generator=torch.Generator().manual_seed(3), strength=ALL)
    np.testing.assert_array_equal(views, posed(x, p.double()))


def test_a_strength_multiplies():
    assert ALL.times(0.5) == Strength(rotation=15.0, shift=0.0625, brightness=0.2)
    assert ALL.scale == (30.0, 0.125, 0.125, 0.4)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_refuses_a_strength_out_of_range(bad):
    with pytest.raises(ValueError, match="shift must be finite and at least 0, got"):
        Strength(rotation=1.0, shift=bad, brightness=0.0)


def test_refuses_oblong_images():
    with pytest.raises(ValueError, match=r"images must be square, got \(8, 4\)"):
        posed(torch.zeros(1, 1, 8, 4), parameters().float())
