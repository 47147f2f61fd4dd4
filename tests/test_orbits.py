"""Orbits: each view is of its own image, and the seed decides which."""

import numpy as np
import pytest
import torch
from torch import Tensor

from geomlib.data.poses import Strength, posed
from geomlib.orbits import coherence, orbit_features, orbit_share, recorded_orbit, tangents


def pixels(images: Tensor) -> Tensor:
    return images.flatten(1)


def some_images() -> Tensor:
    rng = np.random.default_rng(0)
    return torch.tensor(rng.uniform(size=(3, 3, 8, 8)), dtype=torch.float32)


def test_features_keep_the_order_of_the_images():
    # Flat images a factor of ten apart; a view multiplies by 0.6 to 1.4.
    images = torch.tensor([1e-1, 1e-3, 1e-2])[:, None, None, None].expand(3, 1, 4, 4)
    orbits = orbit_features(pixels, images, num_views=4, seed=0)
    assert orbits.shape == (4, 3, 16)
    powers = orbits.log10().round()
    assert torch.equal(
        powers, torch.tensor([-1.0, -3.0, -2.0])[None, :, None].expand(4, 3, 16)
    )


def test_the_encoder_is_applied_to_every_view_and_not_differentiated():
    weights = torch.linspace(-1, 1, 192)[:, None].requires_grad_()
    images = some_images()
    features = orbit_features(lambda x: x.flatten(1) @ weights, images, num_views=3, seed=0)
    views = orbit_features(pixels, images, num_views=3, seed=0).double().numpy()
    expected = views @ weights.detach().double().numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4)
    assert not features.requires_grad


def test_views_are_all_different_and_the_first_ones_stay_when_more_are_asked():
    state = torch.get_rng_state()
    orbits = orbit_features(pixels, some_images(), num_views=5, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(orbits.flatten(0, 1).unique(dim=0)) == 15
    fewer = orbit_features(pixels, some_images(), num_views=2, seed=0)
    assert torch.equal(fewer, orbits[:2])
    other = orbit_features(pixels, some_images(), num_views=5, seed=1)
    assert not torch.isclose(other, orbits).all(dim=2).any()


def test_refuses_no_views():
    with pytest.raises(ValueError, match="num_views must be at least 1, got 0"):
        orbit_features(pixels, some_images(), num_views=0, seed=0)


def test_share_is_one_minus_what_lies_between_orbits():
    # Law of total variance, with numpy's own variances.
    x = np.random.default_rng(0).normal(size=(5, 4, 3)) * np.arange(1, 4)
    between = x.mean(0).var(0).sum()
    total = x.reshape(20, 3).var(0).sum()
    share = float(orbit_share(torch.tensor(x)))
    assert share == pytest.approx(1 - between / total)
    assert float(orbit_share(7 * torch.tensor(x) + 3)) == pytest.approx(share)


def test_share_is_zero_for_points_and_one_for_equal_orbits():
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 3)))
    assert float(orbit_share(x.expand(6, 4, 3))) == pytest.approx(0, abs=1e-15)
    assert float(orbit_share(x[:, None].expand(4, 5, 3))) == pytest.approx(1)


def test_share_refuses_one_view_and_collapsed_features():
    with pytest.raises(ValueError, match="number of views must be at least 2, got 1"):
        orbit_share(torch.ones(1, 4, 3))
    with pytest.raises(ValueError, match="features must vary, got 8 equal ones"):
        orbit_share(torch.ones(2, 4, 3))


# Orbits with known parameters.

ALL = Strength(rotation=30.0, shift=0.125, brightness=0.4)


def test_recorded_parameters_are_those_of_the_views():
    images = some_images()
    orbit = recorded_orbit(pixels, images, num_views=2, strength=ALL, seed=0)
    assert orbit.images.tolist() == [0, 1, 2, 0, 1, 2]
    again = posed(images[orbit.images], orbit.parameters).flatten(1)
    np.testing.assert_allclose(orbit.features, again, atol=1e-6)
    assert len(orbit.parameters.unique(dim=0)) == 6
    more = recorded_orbit(pixels, images, num_views=3, strength=ALL, seed=0)
    assert torch.equal(more.parameters[:6], orbit.parameters)


def test_tangents_of_a_helix_have_the_closed_form():
    t = torch.linspace(0, 3, 7, dtype=torch.float64)[:, None]

    def helix(p: Tensor) -> Tensor:
        return torch.cat([p.cos(), p.sin(), 2 * p], dim=1)

    found = tangents(helix, t, steps=torch.tensor([1e-4], dtype=torch.float64))
    exact = torch.cat([-t.sin(), t.cos(), torch.full_like(t, 2)], dim=1)
    np.testing.assert_allclose(found[:, 0], exact, atol=1e-8)


def test_tangents_keep_parameters_apart():
    here = torch.tensor([[3.0, 5.0]], dtype=torch.float64)
    found = tangents(
        lambda p: p.prod(1, keepdim=True), here, steps=torch.tensor([0.1, 0.2])
    )
    np.testing.assert_allclose(found[0, :, 0], [5, 3], atol=1e-9)


def test_tangents_of_a_wave_that_shifts_and_brightens():
    # A wave along x, sampled at pixel centres; bilinear resampling errs by (2 pi / 64)^2.
    x = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    wave = (2 * torch.pi * x).sin().expand(1, 1, 64, 64)
    slope = 2 * torch.pi * (2 * torch.pi * x).cos().expand(64, 64)

    def along(parameters: Tensor) -> Tensor:
        return posed(wave, parameters)[0].flatten(1)

    here = torch.zeros(1, 4, dtype=torch.float64)
    steps = torch.tensor([0.1, 1 / 640, 1 / 640, 0.01])
    turn, right, down, light = tangents(along, here, steps=steps)[0].view(4, 64, 64)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(right[inner], -slope[inner], atol=0.05)
    np.testing.assert_allclose(down[inner], 0, atol=1e-9)
    np.testing.assert_allclose(light, wave[0, 0], atol=1e-4)
    # A turn by a small angle moves a pixel at height y (up from the centre) by -y angle.
    height = 0.5 - x[:, None]
    expected = height * slope * torch.pi / 180
    np.testing.assert_allclose(turn[inner], expected[inner], atol=2e-3)


def test_coherence_of_tangents_on_a_cone_is_the_cosine_of_its_angle():
    turn = torch.arange(60).double() * 2 * torch.pi / 60
    cone = torch.stack([turn.cos() * 0.6, turn.sin() * 0.6, 0 * turn + 0.8], dim=1)
    lengths = torch.tensor(np.random.default_rng(3).uniform(0.1, 9, size=(60, 1)))
    both = torch.stack([cone * lengths, torch.ones(60, 3).double()], dim=1)
    np.testing.assert_allclose(coherence(both), [0.8, 1], atol=1e-12)
    still = torch.cat([both, torch.zeros(5, 2, 3).double()])
    np.testing.assert_allclose(coherence(still), [0.8, 1], atol=1e-12)
    with pytest.raises(ValueError, match="tangents other than zero must be at least 1"):
        coherence(0 * both)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: recorded_orbit(
                pixels, some_images(), num_views=0, strength=ALL, seed=0
            ),
            "num_views must be at least 1, got 0",
        ),
        (
            lambda: tangents(torch.sin, torch.zeros(2, 2), steps=torch.ones(1)),
            r"steps must be 2 numbers above 0, one a parameter, got \[1.0\]",
        ),
        (
            lambda: tangents(torch.sin, torch.zeros(2, 1), steps=torch.zeros(1)),
            "steps must be 1 numbers above 0",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
