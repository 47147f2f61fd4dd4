"""Mixtures: shares, where cues come from, and chances that balance groups."""

import pytest
import torch

from geomlib.data.two_cues import TwoCueImages, two_cue_images
from geomlib.shortcuts.mixtures import Mixture, balancing_weights, drawn_batch

COUNTS = (180, 10, 8, 2)


def flat(counts: tuple[int, ...] = COUNTS) -> TwoCueImages:
    """Images whose shades tell every side: core .1 or .2, background .5 or .6."""
    cores = tuple(torch.full((1, 3, 4, 4), x) for x in (0.1, 0.2))
    grounds = tuple(torch.full((1, 3, 8, 8), x) for x in (0.5, 0.6))
    ink = tuple(torch.full((1, 1, 1, 1), x) for x in (0.0, 1.0))
    return two_cue_images(cores, grounds, ink, counts=counts, seed=0)


def sides(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sides of background and object that the pixels show."""
    return (images[:, 0, 0, 0] > 0.55).long(), (images[:, 0, 6, 6] == 1).long()


def batch(mixture: Mixture, size: int = 4000, **settings):
    draw = torch.Generator().manual_seed(0)
    return drawn_batch(flat(), size, mixture, generator=draw, **settings)


def test_without_exchange_images_are_those_of_the_data():
    images, labels, shifts = batch(Mixture())
    assert (shifts == 0).all()
    background, co_object = sides(images)
    assert (background == labels).double().mean() == pytest.approx(0.95, abs=0.02)
    assert (co_object == labels).double().mean() == pytest.approx(0.94, abs=0.02)


@pytest.mark.parametrize(("donors", "share"), [("opposite", 0.05), ("random", 0.5)])
def test_donors_decide_how_a_new_cue_goes_with_the_class(donors, share):
    images, labels, shifts = batch(Mixture(0.3, 0.5, donors))
    assert torch.bincount(shifts).div(4000).tolist() == pytest.approx(
        [0.2, 0.3, 0.5], abs=0.03
    )
    background, co_object = sides(images)
    agree = (background == labels).double(), (co_object == labels).double()
    assert agree[0][shifts == 1].mean() == pytest.approx(share, abs=0.04)
    assert agree[1][shifts == 2].mean() == pytest.approx(share, abs=0.04)
    # The other cue keeps its share.
    assert agree[1][shifts == 1].mean() == pytest.approx(0.94, abs=0.03)
    assert agree[0][shifts == 2].mean() == pytest.approx(0.95, abs=0.03)


def test_cores_stay():
    images, labels, _ = batch(Mixture(0.5, 0.5), 200)
    torch.testing.assert_close(images[:, 0, 2, 2], 0.1 + 0.1 * labels)


def test_weights_balance_the_groups_that_are_asked_for():
    data = flat()
    for background, co_object, num in ((True, False, 4), (False, True, 4), (True, True, 8)):
        weights = balancing_weights(data, background=background, co_object=co_object)
        assert weights.sum().item() == pytest.approx(num)
    images, labels, _ = batch(Mixture(), weights=weights)
    shown = 4 * labels + 2 * sides(images)[0] + sides(images)[1]
    assert torch.bincount(shown).div(4000).tolist() == pytest.approx([1 / 8] * 8, abs=0.025)
    alone = balancing_weights(data, background=False, co_object=False)
    assert alone.tolist() == pytest.approx([1 / 200] * 400)


def test_bad_arguments_are_refused():
    for shares in ((0.6, 0.5), (-0.1, 0.5)):
        with pytest.raises(ValueError, match="shares must not be negative and at most 1"):
            Mixture(*shares)
    data = flat()
    ones = data[data.labels == 1]
    with pytest.raises(ValueError, match="data must hold both classes"):
        drawn_batch(ones, 8, Mixture(1.0), generator=torch.Generator())
