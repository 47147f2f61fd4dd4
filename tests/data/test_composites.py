"""Composites, pixel by pixel."""

import pytest
import torch

from geomlib.data.composites import inked, inked_images, inked_views, pasted
from geomlib.data.digits import digits
from geomlib.data.images import LabelledImages


def pictures(num: int = 5, size: int = 12) -> LabelledImages:
    images = torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(0))
    return LabelledImages(images, torch.arange(num) % 2, ("even", "odd"))


def test_pasting_changes_the_patch_alone():
    images = pictures().images
    kept = images.clone()
    patches = torch.zeros(5, 3, 4, 3)
    found = pasted(images, patches, top=2, left=7, opacity=0.25)
    assert torch.equal(images, kept)
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[2:6, 7:10] = True
    assert torch.equal(found[:, :, ~mask], images[:, :, ~mask])
    torch.testing.assert_close(found[:, :, mask], 0.75 * images[:, :, mask])


def test_opacity_by_pixel_writes_in_ink():
    images, ink = pictures().images, torch.rand(5, 1, 4, 4)
    white = torch.ones(1, 1, 1, 1)
    found = pasted(images, white, top=0, left=8, opacity=ink)
    under = images[:, :, :4, 8:]
    torch.testing.assert_close(found[:, :, :4, 8:], 1 - (1 - ink) * (1 - under))


def test_patches_at_the_edge_fit_and_beyond_it_are_refused():
    images = pictures().images
    patch = torch.ones(1, 3, 4, 4)
    assert (pasted(images, patch, top=8, left=8)[:, :, 8:, 8:] == 1).all()
    for place in ({"top": 9, "left": 0}, {"top": 0, "left": -1}):
        with pytest.raises(ValueError, match="must lie within the images of 12x12"):
            pasted(images, patch, **place)


def test_glyphs_are_written_in_the_middle():
    seen = inked_images(pictures(), digits("test"), scale=1, seed=3)
    assert len(seen) == 5
    assert seen.layers.shape == (5, 4, 12, 12)
    assert torch.equal(seen.layers[:, :3], pictures().images)
    whole = digits("test")
    for layer, label in zip(seen.layers[:, 3], seen.ink_labels, strict=True):
        middle = layer[2:10, 2:10]
        found = (whole.images[:, 0] == middle).flatten(1).all(1).nonzero()[0, 0]
        assert whole.labels[found] == label
        assert layer.sum() == middle.sum()
    assert torch.equal(seen.images, inked(seen.layers))
    assert seen.images.shape == (5, 3, 12, 12)


def test_labels_do_not_tell_of_each_other():
    many = pictures(2000, 8)
    seen = inked_images(many, digits("train"), scale=1, seed=0)
    table = torch.zeros(2, 10).index_put_(
        (seen.labels, seen.ink_labels), torch.ones(2000), accumulate=True
    )
    expected = table.sum(1, keepdim=True) * table.sum(0) / 2000
    # Chi-squared with 9 degrees of freedom: 27.9 is exceeded once in a thousand.
    assert ((table - expected) ** 2 / expected).sum() < 27.9


def test_scale_enlarges():
    seen = inked_images(pictures(3, 16), digits("test"), scale=2, seed=0)
    small = inked_images(pictures(3, 16), digits("test"), scale=1, seed=0)
    ratio = seen.layers[:, 3].sum((1, 2)) / small.layers[:, 3].sum((1, 2))
    torch.testing.assert_close(ratio, torch.full((3,), 4.0))


def test_views_keep_the_ink_in_place_or_drop_it():
    seen = inked_images(pictures(400), digits("test"), scale=1, seed=0)
    layers = seen.layers.clone()
    layers[:, :3] = 0  # black stays black under crops and colours
    draw = torch.Generator().manual_seed(0)
    whole = inked_views(layers, generator=draw, dropped=0.0)
    torch.testing.assert_close(whole, layers[:, 3:].expand(-1, 3, -1, -1))
    assert (inked_views(layers, generator=draw, dropped=1.0) == 0).all()
    some = inked_views(layers, generator=draw, dropped=0.3)
    share = (some.flatten(1).sum(1) == 0).double().mean()
    assert share.item() == pytest.approx(0.3, abs=0.08)


def test_bad_arguments_are_refused():
    colour = pictures()
    with pytest.raises(ValueError, match="glyphs must be grey, got 3 channels"):
        inked_images(colour, colour, scale=1, seed=0)
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        inked_images(colour, digits("test"), scale=0, seed=0)
    with pytest.raises(ValueError, match="must lie within the images of 12x12"):
        inked_images(colour, digits("test"), scale=2, seed=0)
    with pytest.raises(ValueError, match=r"dropped must be between 0 and 1, got 2\.0"):
        inked_views(torch.zeros(1, 4, 8, 8), generator=torch.Generator(), dropped=2.0)
