"""Rings and spirals: where the points lie, and what the views share."""

import math

import pytest
import torch

from geomlib.data.planar import RADII, ring_views, spiral_views


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_both_views_lie_on_the_ring():
    views, ring = ring_views(2000, generator=seeded(), radii=(0.5, 3.0))
    radius = torch.tensor([0.5, 3.0])[ring]
    assert (views.norm(dim=2) - radius).abs().max() < 1e-6
    assert ring.double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_ring_views_are_uncorrelated_and_their_covariance_is_known():
    (first, second), _ = ring_views(200_000, generator=seeded())
    assert (first.T @ second / len(first)).abs().max() < 0.02
    mean_square = sum(r * r for r in RADII) / 4
    expected = mean_square / 2 * torch.eye(2)
    assert (first.T @ first / len(first) - expected).abs().max() < 0.02


def test_angles_are_uniform_and_differ_between_the_views():
    views, _ = ring_views(50_000, generator=seeded())
    turns = torch.atan2(views[..., 1], views[..., 0]) / (2 * math.pi) + 0.5
    for view in turns:
        counts = torch.histc(view, 10, 0, 1)
        assert (counts / 5000 - 1).abs().max() < 0.1
    assert torch.corrcoef(turns)[0, 1].abs() < 0.02


def test_spirals_lie_on_their_arm():
    views, arm = spiral_views(500, generator=seeded(), num_arms=3, num_turns=2.0)
    place = (views.norm(dim=2) - 0.5) / 1.5
    assert 0 <= place.min() < 0.05 < 0.95 < place.max() <= 1
    angle = 2 * math.pi * (2.0 * place + arm / 3)
    unit = torch.stack([angle.cos(), angle.sin()], dim=2)
    assert (views / views.norm(dim=2, keepdim=True) - unit).abs().max() < 1e-4
    assert torch.corrcoef(place)[0, 1].abs() < 0.15
    assert set(arm.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("draw", [ring_views, spiral_views])
def test_seed_decides(draw):
    (a, labels), (b, same), (c, _) = (draw(9, generator=seeded(s)) for s in (1, 1, 2))
    assert (a == b).all()
    assert (labels == same).all()
    assert (a != c).any()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="num_pairs must be at least 1, got 0"):
        ring_views(0, generator=seeded())
    with pytest.raises(ValueError, match="number of radii must be at least 1, got 0"):
        ring_views(3, generator=seeded(), radii=())
    with pytest.raises(ValueError, match="radius must be a finite number above 0, got 0"):
        ring_views(3, generator=seeded(), radii=(1.0, 0.0))
    with pytest.raises(ValueError, match="num_arms must be at least 1, got 0"):
        spiral_views(3, generator=seeded(), num_arms=0)
    with pytest.raises(ValueError, match="num_turns must be a finite number above 0"):
        spiral_views(3, generator=seeded(), num_turns=0.0)
