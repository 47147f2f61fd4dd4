"""ResNet-18 for small images: its shapes, norms and seed, by counting."""

import torch
from torch import nn

from geomlib.models.resnet import small_resnet18


def test_it_has_the_parameters_of_the_paper_with_a_small_stem():
    # torchvision's 11,689,512 less the classifier of 513,000 and a 7x7 stem of 9,408,
    # plus a 3x3 stem of 1,728.
    network = small_resnet18(seed=0)
    assert sum(p.numel() for p in network.parameters()) == 11_689_512 - 513_000 - 7_680


def test_the_stem_keeps_the_resolution():
    network = small_resnet18(seed=0).eval()
    seen = []
    network.layer1.register_forward_hook(lambda m, i, o: seen.append(tuple(o.shape)))
    with torch.no_grad():
        features = network(torch.rand(2, 3, 16, 16))
    assert seen == [(2, 64, 16, 16)]
    assert features.shape == (2, 512)
    assert bool((features >= 0).all())


def test_every_norm_is_the_one_asked_for():
    network = small_resnet18(norm=lambda width: nn.GroupNorm(8, width), seed=0)
    kinds = [type(m) for m in network.modules() if "Norm" in type(m).__name__]
    assert kinds == [nn.GroupNorm] * 20


def test_seed_decides_the_weights_and_the_global_state_stays():
    state = torch.get_rng_state()
    first, again, other = (small_resnet18(seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert torch.equal(first.layer4[1].conv2.weight, again.layer4[1].conv2.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
