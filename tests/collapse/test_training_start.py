"""Starts: white live directions, little else, and heads that mirror it or do not."""

import pytest
import torch

from geomlib.collapse.activations import activation
from geomlib.collapse.stacked import Head, embeddings, representations
from geomlib.collapse.training_start import collapsed_start, image_views
from geomlib.data.augment import views as augmented

VIEWS = torch.randn(2, 2, 40, 10, generator=torch.Generator().manual_seed(0)).double()


def start(**options):
    return collapsed_start(VIEWS, **{"mirrored": True, "seeds": [3, 4], **options})


def test_live_coordinates_are_white_and_the_others_small():
    for h in representations(start(noise=1e-4), VIEWS).flatten(1, 2):
        covariance = h.mT.cov()
        torch.testing.assert_close(covariance[:3, :3], torch.eye(3).double())
        torch.testing.assert_close(
            covariance.diagonal()[3:], torch.full((13,), 1e-8).double()
        )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_mirrored_head_does_not_see_the_sign_of_what_has_collapsed(batch_norm):
    head = Head(activation("relu"), batch_norm)
    h = torch.randn(2, 2, 40, 16, generator=torch.Generator().manual_seed(1)).double()
    flipped = torch.cat([h[..., :3], -h[..., 3:]], -1)
    for mirrored in (True, False):
        at = start(mirrored=mirrored)
        gap = (embeddings(at, h, head) - embeddings(at, flipped, head)).abs().max()
        assert gap < 1e-12 if mirrored else gap > 1e-3


def test_a_network_depends_on_its_own_seed_alone():
    both, other = start(), start(seeds=[4, 3])
    assert torch.equal(both["outputs"][0], other["outputs"][1])
    assert not torch.equal(both["outputs"][0], both["outputs"][1])


def test_image_views_are_those_of_the_augmentation():
    images = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = image_views(images, num_images=5, seed=2)
    generator = torch.Generator().manual_seed(2)
    chosen = images[torch.randperm(9, generator=generator)[:5]]
    assert torch.equal(found[0], augmented(chosen, generator=generator).flatten(1))
    assert found.shape == (2, 5, 64)


def test_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="num_units must be even and at least 2, got 7"):
        start(num_units=7)
    with pytest.raises(ValueError, match="seeds must be one for each of 2 networks"):
        start(seeds=[1])
    with pytest.raises(ValueError, match="width less num_live must be at least 1, got 0"):
        start(num_live=16)
    with pytest.raises(ValueError, match="noise must be a finite number above 0"):
        start(noise=0.0)
    with pytest.raises(ValueError, match="number of images must be at least 9, got 3"):
        image_views(torch.rand(3, 1, 8, 8), num_images=9, seed=0)
