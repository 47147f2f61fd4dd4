"""Training of quantile heads on pairs whose answer is known."""

import pytest
import torch
from torch import nn

from geomlib.inversion.encoder import quantile_loss, train_encoder
from geomlib.models.quantile_heads import QuantileEncoder, Quantiles

SETTINGS = {
    "factors": (1, 2),
    "noise": 0.0,
    "batch_size": 64,
    "learning_rate": 0.05,
    "seed": 0,
}


def draw(n, random):
    """A style that is the image's brightness."""
    style = torch.rand(n, 1, generator=random)
    return style, style[:, :, None, None].expand(n, 1, 4, 4).contiguous()


def blind(n, random):
    """A style of which the image says nothing."""
    return torch.rand(n, 1, generator=random), torch.ones(n, 1, 4, 4)


def small(seed=0):
    return QuantileEncoder(nn.Identity(), num_features=1, num_outputs=1, seed=seed)


def test_loss_by_hand():
    # Below by 1 at level 0.05, right, and above by 1 at 0.95; the point is off by 2.
    predicted = Quantiles(*torch.tensor([[[1.0]], [[4.0]], [[3.0]]]))
    found = quantile_loss(predicted, torch.tensor([[2.0]]), miss=0.1)
    assert found.item() == pytest.approx(0.05 + 0.05 + 4.0)


def test_what_the_image_shows_is_found():
    encoder = train_encoder(small(), draw, num_steps=300, **SETTINGS)
    target, images = draw(50, torch.Generator().manual_seed(1))
    found = encoder(images)
    assert (found.point - target).abs().max() < 0.03
    assert not encoder.training


def test_what_it_does_not_show_gets_the_quantiles_of_the_prior():
    encoder = train_encoder(small(), blind, num_steps=600, **SETTINGS)
    found = encoder(torch.ones(1, 1, 4, 4))
    expected = [0.05, 0.5, 0.95]
    assert [part.item() for part in found] == pytest.approx(expected, abs=0.04)


def test_the_image_loss_pulls_the_ends_to_the_point():
    settings = {**SETTINGS, "decode": lambda s: s[:, :, None, None].expand(-1, 1, 4, 4)}
    wide = train_encoder(small(), blind, num_steps=200, **settings)(torch.ones(1, 1, 4, 4))
    encoder = train_encoder(small(), blind, num_steps=200, image_weight=50.0, **settings)
    narrow = encoder(torch.ones(1, 1, 4, 4))
    assert narrow.upper - narrow.lower < 0.3 * (wide.upper - wide.lower)


def test_half_precision_finds_it_too():
    encoder = train_encoder(small(), draw, num_steps=300, half=True, **SETTINGS)
    target, images = draw(50, torch.Generator().manual_seed(1))
    assert (encoder(images).point - target).abs().max() < 0.06


def test_training_goes_on_from_its_file(tmp_path):
    path = tmp_path / "encoder.npz"
    first = train_encoder(small(), draw, num_steps=6, path=path, **SETTINGS)
    kept = train_encoder(small(seed=5), draw, num_steps=6, path=path, **SETTINGS)
    for one, other in zip(first.parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, other)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="decode must be given for an image loss"):
        train_encoder(small(), draw, num_steps=1, image_weight=1.0, **SETTINGS)
    with pytest.raises(ValueError, match="number of factors must be at least 1"):
        train_encoder(small(), draw, num_steps=1, **{**SETTINGS, "factors": ()})
