"""Energies against closed forms: metrics and class means by hand, a linear head."""

import numpy as np
import pytest
import torch
from torch import Tensor

from geomlib.data.images import LabelledImages
from geomlib.data.poses import Strength
from geomlib.invariance.energy import class_directions, head_energies, median_energy


def test_a_metric_that_treats_all_directions_alike_gives_one():
    rng = np.random.default_rng(0)
    directions = torch.tensor(rng.normal(size=(5, 3, 4)))
    scales = torch.tensor(rng.uniform(1, 9, size=5))
    metrics = scales[:, None, None] * torch.eye(4).double()
    assert median_energy(metrics, directions) == pytest.approx(1)


def test_the_median_is_over_samples_and_directions_whatever_their_length():
    metrics = torch.diag(torch.tensor([1.0, 2.0, 3.0])).double().expand(2, 3, 3)
    axes = torch.eye(3).double()
    directions = torch.stack([axes[:2] * 5, axes[1:] / 7])  # energies .5, 1, 1, 1.5
    assert median_energy(metrics, directions) == pytest.approx(1)
    assert median_energy(metrics, directions[1:, 1:].expand(2, 1, 3)) == pytest.approx(1.5)


def test_a_direction_that_is_zero_is_left_out():
    metrics = torch.diag(torch.tensor([1.0, 3.0]))[None]
    directions = torch.tensor([[[0.0, 2.0], [0.0, 0.0], [0.0, 0.0]]])
    assert median_energy(metrics, directions) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="directions other than zero must be at least 1"):
        median_energy(metrics, 0 * directions)


def test_class_directions_lead_from_mean_to_mean():
    rng = np.random.default_rng(1)
    h, labels = rng.normal(size=(30, 3)), np.tile([7, 2, 5], 10)
    found = class_directions(torch.tensor(h), torch.tensor(labels))
    assert found.shape == (30, 2, 3)
    for i in (0, 1, 2, 29):
        others = [c for c in (2, 5, 7) if c != labels[i]]
        own = h[labels == labels[i]].mean(0)
        expected = [h[labels == c].mean(0) - own for c in others]
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


def test_one_class_has_no_direction():
    with pytest.raises(ValueError, match="number of classes must be at least 2, got 1"):
        class_directions(torch.zeros(3, 2), torch.zeros(3).long())


def test_a_head_that_sees_brightness_only():
    # h = (mean, left mean - right mean); flat pictures lie on the first axis, so that
    # their brightness moves along it and their class means do as well.
    def encoder(images: Tensor) -> Tensor:
        left, right = images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))
        return torch.stack([(left + right) / 2, left - right], dim=1)

    levels = torch.tensor([0.2, 0.3, 0.7, 0.8])
    images = LabelledImages(
        levels[:, None, None, None].expand(4, 1, 8, 8).contiguous(),
        torch.tensor([0, 0, 1, 1]),
        ("dark", "light"),
    )
    # No frame is uncovered by reflection, so only brightness moves these pictures.
    options = {
        "strength": Strength(rotation=30.0, shift=0.1, brightness=0.4),
        "seed": 0,
        "padding": "reflection",
    }
    blind = head_energies(encoder, lambda h: h[:, 1:], images, **options)
    assert blind.classes == pytest.approx(0, abs=1e-6)
    sighted = head_energies(encoder, lambda h: h[:, :1], images, **options)
    assert sighted.classes == pytest.approx(2, abs=1e-4)
    assert sighted.augmentation > 1.9
