"""Readings of spaces that hold the answer, or hold nothing."""

import pytest
import torch
from torch import Tensor

from geomlib.data.images import LabelledImages
from geomlib.data.poses import Strength
from geomlib.invariance.reading import examples, read

STRENGTH = Strength(rotation=30.0, shift=0.1, brightness=0.4)


def dots(num: int) -> LabelledImages:
    """One bright pixel, right of the centre or left of it."""
    images = torch.zeros(num, 1, 8, 8)
    labels = torch.arange(num) % 2
    images[torch.arange(num), 0, 4, 2 + 4 * labels] = 1
    return LabelledImages(images, labels, ("left", "right"))


def position(images: Tensor) -> Tensor:
    """Mean row and column of a picture, and the logarithm of its brightness."""
    total = images.sum((1, 2, 3))
    place = torch.arange(8.0)
    row = (images.sum((1, 3)) * place).sum(1) / total
    column = (images.sum((1, 2)) * place).sum(1) / total
    return torch.stack([row, column, total.log()], dim=1)


def test_what_the_space_holds_is_read_and_no_more():
    found = read(position, dots(80), dots(40), strength=STRENGTH, seed=0)
    rotation, _, _, brightness = found.pose.per_target
    assert brightness > 0.95
    assert rotation < 0.2  # it moves the left dot down and the right one up
    assert found.label.value == 1
    assert found.pose.low < found.pose.value < found.pose.high


def test_nothing_is_read_from_noise():
    def noise(images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(len(images))
        return torch.randn(len(images), 3, generator=generator)

    found = read(noise, dots(80), dots(40), strength=STRENGTH, seed=0)
    assert found.pose.value < 0.1
    assert found.label.value == pytest.approx(0.5, abs=0.15)


def test_seen_and_held_out_views_have_other_parameters():
    first, second = (
        examples(position, dots(10), num_views=num, strength=STRENGTH, seed=0)
        for num in (2, 4)
    )
    rows = torch.cat([first[0].targets, second[0].targets])
    assert len(rows.unique(dim=0)) == 60
    assert first[1].targets.tolist() == 2 * ([0, 1] * 5)
    assert first[0].groups.tolist() == 2 * list(range(10))
