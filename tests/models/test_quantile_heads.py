"""Encoders with three heads, by counting and by hand."""

import pytest
import torch
from torch import nn

from geomlib.models.quantile_heads import QuantileEncoder, resnet50_map, small_map


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_at_9088_outputs_a_head_has_the_published_size():
    with torch.device("meta"):
        encoder = QuantileEncoder(nn.Identity(), num_features=512, num_outputs=9088, seed=0)
    for head in (encoder.lower, encoder.point, encoder.upper):
        assert count(head) == 512 * 9088 + 9088 == 4_662_144


def test_resnet50_gives_512_by_4_by_4_at_128_pixels():
    with torch.device("meta"):
        backbone = resnet50_map(seed=0).eval()
        assert backbone(torch.rand(2, 3, 128, 128)).shape == (2, 512, 4, 4)
        assert backbone(torch.rand(2, 3, 256, 256)).shape == (2, 512, 8, 8)
    # torchvision's 25,557,032 less its classifier, plus the 1x1 convolution.
    assert count(backbone) == 25_557_032 - 2_049_000 + 2048 * 512 + 512


def test_the_small_one_gives_64_by_4_by_4_at_16_pixels():
    backbone = small_map(in_channels=1, seed=0)
    assert backbone(torch.rand(3, 1, 16, 16)).shape == (3, 64, 4, 4)
    encoder = QuantileEncoder(backbone, num_features=64, num_outputs=128, seed=0)
    assert count(encoder) == 101_728


def test_a_head_by_hand():
    encoder = QuantileEncoder(nn.Identity(), num_features=2, num_outputs=3, seed=1).double()
    maps = torch.randn(4, 2, 5, 5, dtype=torch.float64)
    found = encoder(maps)
    for head, outputs in zip(
        (encoder.lower, encoder.point, encoder.upper), found, strict=True
    ):
        weight, bias = head[0].weight[:, :, 0, 0], head[0].bias
        linear = torch.einsum("oi,nihw->nohw", weight, maps) + bias[:, None, None]
        expected = torch.where(linear > 0, linear, 0.2 * linear).mean((2, 3))
        torch.testing.assert_close(outputs, expected)
    assert not torch.equal(found.lower, found.upper)


def test_seeds_decide_the_weights_and_the_global_state_stays():
    state = torch.get_rng_state()
    first, again, other = (small_map(in_channels=1, seed=s)[0].weight for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="num_outputs must be at least 1, got 0"):
        QuantileEncoder(nn.Identity(), num_features=1, num_outputs=0, seed=0)
    with pytest.raises(ValueError, match="in_channels must be at least 1"):
        small_map(in_channels=0, seed=0)
