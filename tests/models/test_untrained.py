import pytest
import torch
from torch import nn

from geomlib.models.untrained import small_transformer, untrained


@pytest.mark.parametrize(("name", "width"), [("ResNet-18", 512), ("ViT-Ti", 192)])
def test_seeded_and_headless(name, width):
    x = torch.rand(2, 3, 64, 64)
    before = torch.random.get_rng_state()
    one, same, other = (untrained(name, side=64, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not one.training
    with torch.no_grad():
        assert one(x).shape == (2, width)
        assert torch.equal(one(x), same(x))
        assert not torch.equal(one(x), other(x))


def test_size_of_the_tiny_transformer():
    # Touvron et al. 2021 give 5 million parameters, with patches of 16x16 and a classifier.
    count = sum(p.numel() for p in untrained("ViT-Ti", side=64, seed=0).parameters())
    assert 5.2e6 < count < 5.6e6


def test_small_transformer():
    network = small_transformer(side=16, seed=0)
    assert network(torch.rand(2, 3, 16, 16)).shape == (2, 64)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_bad_inputs():
    with pytest.raises(ValueError, match="name must be one of ResNet-18"):
        untrained("VGG", side=64, seed=0)
    with pytest.raises(ValueError, match="side must be a multiple of 8 for ViT-Ti, got 60"):
        untrained("ViT-Ti", side=60, seed=0)
    with pytest.raises(ValueError, match="side must be a positive multiple of 4"):
        small_transformer(side=10, seed=0)
