"""Orbits: each view is of its own image, and the seed decides which."""

import numpy as np
import pytest
import torch
from torch import Tensor

from geomlib.orbits import orbit_features


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
