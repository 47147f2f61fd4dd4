"""Closed forms against root finding and by hand."""

import numpy as np
import pytest
import torch

from geomlib.weighting.closed_form import (
    decayed_weights,
    layer_weights,
    unbalanced_weights,
)
from geomlib.weighting.features import Features

W = torch.tensor([0.0, 0.3, 1.0, 2.0], dtype=torch.float64)


def test_layers_share_the_logarithm():
    parts = [layer_weights(W, layer=layer, depth=3) for layer in range(4)]
    assert torch.equal(parts[0], torch.ones_like(W))
    np.testing.assert_allclose(parts[1] ** 3, W, atol=1e-15)
    np.testing.assert_allclose(parts[2], parts[1] ** 2, atol=1e-15)
    assert torch.equal(parts[3], W)


@pytest.mark.parametrize("difference", [-2.2, -1e-9, 0.0, 0.7])
def test_unbalanced_weights_keep_product_and_difference(difference):
    first = unbalanced_weights(W, difference)
    assert (first >= 0).all()
    second = (first.square() - difference).clamp(min=0).sqrt()
    np.testing.assert_allclose(first * second, W, atol=1e-7)


def test_what_the_head_deletes_stays_only_under_a_larger_encoder():
    nothing = torch.zeros(1, dtype=torch.float64)
    assert unbalanced_weights(nothing, 0.49).item() == pytest.approx(0.7)
    assert unbalanced_weights(nothing, -0.49).item() == 0


@pytest.mark.parametrize("decay", [0.0, 0.05, 0.1, 0.5])
def test_decayed_weights_are_the_largest_root(decay):
    signal = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)
    features = Features(signal, torch.linspace(0.05, 1.0, 6, dtype=torch.float64), 0.5)
    for found, w, v in zip(
        decayed_weights(features, decay), features.weights, features.variance, strict=True
    ):
        roots = np.roots([1, 0, -(float(w) ** 2), decay / (4 * float(v) ** 2)])
        real = roots[np.abs(roots.imag) < 1e-7].real
        assert float(found) == pytest.approx(max(0.0, real.max()), abs=1e-6)


def test_decay_kills_what_is_not_shared():
    features = Features(torch.ones(2), torch.tensor([0.0, 1.0]), 0.0)
    assert decayed_weights(features, 0.1)[0] == 0


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"layer must be between 0 and depth \(2\), got 3"):
        layer_weights(W, layer=3, depth=2)
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        layer_weights(W, layer=0, depth=0)
    features = Features(torch.ones(1), torch.ones(1), 0.0)
    with pytest.raises(ValueError, match="decay must be at least 0, got -1"):
        decayed_weights(features, -1.0)
