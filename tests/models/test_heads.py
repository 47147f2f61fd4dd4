"""Heads: layers counted by hand, seeds, and fixed weights by hand."""

import pytest
import torch
from torch import nn

from geomlib.models.heads import ReweightingHead, head_of_depth
from geomlib.rank import participation_ratio

SIZES = {"num_inputs": 3, "width": 7, "num_outputs": 5}


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("batch_norm", [False, True])
def test_depth_counts_affine_layers(depth, batch_norm):
    head = head_of_depth(depth, **SIZES, seed=0, batch_norm=batch_norm)
    kinds = [type(layer) for layer in head]
    assert kinds.count(nn.Linear) == depth
    assert kinds.count(nn.SiLU) == max(0, depth - 1)
    assert kinds.count(nn.BatchNorm1d) == batch_norm * max(0, depth - 1)
    assert head(torch.ones(2, 3)).shape == (2, 5 if depth else 3)


def test_depth_0_changes_nothing():
    h = torch.randn(4, 3)
    assert (head_of_depth(0, **SIZES, seed=0)(h) == h).all()


def test_order_of_a_hidden_layer():
    head = head_of_depth(2, **SIZES, seed=0, batch_norm=True, activation=nn.Tanh)
    kinds = [type(layer) for layer in head]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.Tanh, nn.Linear]
    assert [layer.weight.shape for layer in (head[0], head[3])] == [(7, 3), (5, 7)]


def test_seed_decides_and_the_global_state_stays():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    heads = [head_of_depth(2, **SIZES, seed=seed) for seed in (1, 1, 2)]
    assert (torch.get_rng_state() == before).all()
    assert (heads[0][0].weight == heads[1][0].weight).all()
    assert (heads[0][0].weight != heads[2][0].weight).any()


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="depth must be at least 0, got -1"):
        head_of_depth(-1, **SIZES, seed=0)
    for name in SIZES:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            head_of_depth(2, **{**SIZES, name: 0}, seed=0)


def test_fixed_weights_fall_by_a_factor():
    head = ReweightingHead(1.5, 4)
    found = head(torch.ones(2, 4))
    torch.testing.assert_close(found[0], 1.5 ** -torch.arange(4.0))
    assert list(head.parameters()) == []
    assert torch.equal(head.state_dict()["weights"], head.weights)


@pytest.mark.parametrize("kappa", [1.05, 1.2, 1.5])
def test_dimensions_kept_are_the_participation_ratio(kappa):
    wide = ReweightingHead(kappa, 400).num_kept
    assert wide == pytest.approx((kappa**2 + 1) / (kappa**2 - 1), rel=1e-6)
    narrow = ReweightingHead(kappa, 8)
    energy = narrow.weights.diag() ** 2
    assert narrow.num_kept == pytest.approx(participation_ratio(energy).item(), rel=1e-5)
    assert ReweightingHead(1.0, 8).num_kept == 8


def test_bad_weights_are_refused():
    with pytest.raises(ValueError, match="kappa must be a finite number above 0, got 0"):
        ReweightingHead(0.0, 4)
    with pytest.raises(ValueError, match="num_features must be at least 1, got 0"):
        ReweightingHead(1.1, 0)
