"""Encoders against their layers written out, and PyTorch's law of initial weights."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from geomlib.models.encoders import flat_cnn, mlp_head, small_cnn

BUILDERS = {
    "small_cnn": lambda seed: small_cnn(in_channels=3, num_features=16, seed=seed),
    "mlp_head": lambda seed: mlp_head(5, 7, 3, seed=seed),
}
each_builder = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


@pytest.mark.parametrize("side", [1, 8, 33])
def test_cnn_is_three_convolutions_and_a_mean_over_positions(side):
    encoder = small_cnn(in_channels=3, num_features=12, seed=0)
    images = torch.tensor(np.random.default_rng(0).uniform(size=(2, 3, side, side))).float()
    parameters = [p.detach() for p in encoder.parameters()]
    assert [len(p) for p in parameters] == [3, 3, 6, 6, 12, 12]
    x = images
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        x = F.conv2d(x, weight, bias, stride=2, padding=1).clamp(min=0)
    torch.testing.assert_close(encoder(images), x.mean((2, 3)))


def test_head_is_linear_maps_with_relu_between():
    head = mlp_head(5, 7, 3, seed=0).double()
    W1, b1, W2, b2 = (p.detach().numpy() for p in head.parameters())
    h = np.random.default_rng(0).normal(size=(4, 5))
    expected = np.maximum(h @ W1.T + b1, 0) @ W2.T + b2
    np.testing.assert_allclose(head(torch.tensor(h)).detach(), expected, rtol=1e-12)
    assert expected.min() < 0  # no ReLU at the end


def test_a_norm_stands_before_each_relu_and_leaves_the_weights_as_they_were():
    made = small_cnn(in_channels=3, num_features=16, seed=1, norm=nn.BatchNorm2d)
    assert [type(layer) for layer in made[:9]] == 3 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [made[i].num_features for i in (1, 4, 7)] == [4, 8, 16]
    plain = small_cnn(in_channels=3, num_features=16, seed=1)
    for i in range(3):
        assert torch.equal(made[3 * i].weight, plain[2 * i].weight)


def test_head_of_two_widths_is_one_linear_map():
    assert [type(layer) for layer in mlp_head(5, 3, seed=0)] == [nn.Linear]


@each_builder
def test_initial_weights_are_pytorchs_uniform_ones(build):
    # Uniform on +-1 / sqrt(fan in), weights and biases alike (torch.nn.Linear's page).
    for layer in build(0):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            assert 0.8 * bound < layer.weight.abs().max() <= bound
            assert 0 < layer.bias.abs().max() <= bound


@each_builder
def test_seed_decides_the_weights_and_nothing_else_does(build):
    first, again, other = build(1), build(1), build(2)
    for p, q, r in zip(*(m.parameters() for m in (first, again, other)), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)


@each_builder
def test_random_states_are_left_as_they_were(build, monkeypatch):
    # The GPUs' too: torch.manual_seed would seed them all, and fork_rng saves none.
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    state = torch.get_rng_state()
    build(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert seeded == []


def test_refuses_too_few_features_and_widths():
    with pytest.raises(ValueError, match="num_features must be at least 4, got 3"):
        small_cnn(in_channels=3, num_features=3, seed=0)
    with pytest.raises(ValueError, match="number of widths must be at least 2, got 1"):
        mlp_head(5, seed=0)


# The encoder that keeps positions.


@pytest.mark.parametrize("side", [8, 16, 24, 32, 64])
def test_the_flat_encoder_sees_every_pixel_and_every_position(side):
    encoder = flat_cnn(in_channels=3, side=side, num_features=5, seed=0)
    x = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    encoder(x).square().sum().backward()
    seen = (x.grad != 0).any(1).float().mean()
    assert seen > 0.9  # a ReLU may be shut over some pixels
    with torch.no_grad():
        assert not torch.isclose(encoder(x), encoder(x.roll(side // 4, -1))).all()
    assert encoder(x).shape == (2, 5)


def test_the_flat_encoder_is_seeded_and_leaves_the_global_state():
    state = torch.get_rng_state()
    nets = [
        flat_cnn(in_channels=1, side=8, num_features=4, seed=seed) for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    x = torch.ones(1, 1, 8, 8)
    first, again, other = (net(x) for net in nets)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("side", [0, 4, 12])
def test_the_flat_encoder_refuses_other_sides(side):
    with pytest.raises(
        ValueError, match=f"side must be a positive multiple of 8, got {side}"
    ):
        flat_cnn(in_channels=1, side=side, num_features=4, seed=0)
