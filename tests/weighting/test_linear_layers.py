"""Trained layers against the closed forms, and the population's loss against samples."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch

from geomlib.losses import spectral_contrastive
from geomlib.weighting import linear
from geomlib.weighting.closed_form import (
    decayed_weights,
    layer_weights,
    unbalanced_weights,
)
from geomlib.weighting.features import Features


def four() -> Features:
    signal = torch.tensor([0.6, 1.0, 1.5, 2.0], dtype=torch.float64)
    kept = torch.tensor([0.9, 0.2, 1.0, 0.5], dtype=torch.float64)
    return Features(signal, kept, noise=0.5)


def conserved(layers: linear.Layers) -> torch.Tensor:
    return layers[0] @ layers[0].T - layers[1].T @ layers[1]


def test_balanced_layers_are_balanced_and_turned():
    layers = linear.balanced_layers(5, depth=3, seed=0, smallest=0.2, largest=0.6)
    for low, high in pairwise(layers):
        np.testing.assert_allclose(low @ low.T, high.T @ high, atol=1e-14)
    for layer in layers:
        np.testing.assert_allclose(
            np.linalg.svd(layer.numpy())[1], np.linspace(0.6, 0.2, 5), atol=1e-14
        )
    off_diagonal = layers[0].T @ layers[0]
    assert (off_diagonal - off_diagonal.diagonal().diag()).abs().max() > 0.01


def test_population_loss_is_the_mean_of_the_loss_on_samples():
    features = four()
    layers = linear.balanced_layers(4, depth=2, seed=1)
    W = layers[1] @ layers[0]
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(20):
        first, second = features.views(500, generator=generator)
        found.append(float(spectral_contrastive(first @ W.T, second @ W.T)))
    expected = float(linear.population_loss(layers, features))
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 20**0.5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_flow_ends_at_the_closed_form(depth):
    features = four()
    start = linear.balanced_layers(4, depth=depth, seed=2)
    found = linear.feature_weights(linear.flowed(start, features))
    for layer in range(1, depth + 1):
        expected = layer_weights(features.weights, layer=layer, depth=depth)
        np.testing.assert_allclose(found[layer - 1], expected, atol=1e-7)


def test_flow_conserves_and_descends():
    features = four()
    start = linear.balanced_layers(4, depth=2, seed=3)
    start[1] = 1.7 * start[1] + 0.05 * start[0]
    end = linear.flowed(start, features, horizon=7.0)
    np.testing.assert_allclose(conserved(end), conserved(start), atol=1e-6)
    values = [float(linear.population_loss(layers, features)) for layers in (start, end)]
    assert values[1] < values[0] - 0.1
    # A step of the flow is minus the gradient, here by finite differences.
    step = linear.flowed(start, features, horizon=1e-7, rtol=1e-12)
    direction = torch.zeros_like(start[0])
    direction[1, 2] = 1e-5
    change = linear.population_loss([start[0] + direction, start[1]], features)
    change -= linear.population_loss([start[0] - direction, start[1]], features)
    moved = float(step[0][1, 2] - start[0][1, 2])
    assert moved * 100 == pytest.approx(-float(change) / 2, rel=0.01)


@pytest.mark.parametrize("scales", [(0.5, 1.5), (1.0, 0.3)])
def test_unequal_layers_follow_the_conserved_difference(scales):
    features = four()
    start = linear.orthogonal_layers(4, scales, seed=4)
    found = linear.feature_weights(linear.flowed(start, features))
    difference = scales[0] ** 2 - scales[1] ** 2
    expected = unbalanced_weights(features.weights, difference)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], features.weights, rtol=1e-6)


def test_decay_ends_at_the_closed_form():
    features = four()
    start = linear.orthogonal_layers(4, (0.8, 0.8), seed=5)
    found = linear.feature_weights(linear.flowed(start, features, decay=0.2))
    expected = decayed_weights(features, 0.2)
    np.testing.assert_allclose(found[1], expected, atol=1e-6)


def test_adam_finds_the_product_and_leaves_its_start_alone():
    features = four()
    start = linear.balanced_layers(4, depth=2, seed=6)
    kept = [layer.clone() for layer in start]
    end = linear.adapted(start, features, num_steps=400, learning_rate=0.03)
    assert all(map(torch.equal, start, kept))
    np.testing.assert_allclose(linear.feature_weights(end)[1], features.weights, atol=1e-6)
    assert conserved(end).abs().max() > 1e-3


def test_weights_are_lengths_of_columns_of_the_product():
    layers = linear.orthogonal_layers(3, (1.0, 2.0, 0.5), seed=7)
    layers[1] = layers[1] @ torch.diag(torch.tensor([1.0, 2.0, 3.0])).double()
    found = linear.feature_weights(layers)
    product = reduce(lambda below, layer: layer @ below, layers)
    np.testing.assert_allclose(found[2], np.linalg.norm(product, axis=0), rtol=1e-12)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        linear.balanced_layers(2, depth=0, seed=0)
    with pytest.raises(ValueError, match="smallest must be a finite number above 0"):
        linear.balanced_layers(2, depth=1, seed=0, smallest=0.0)
    with pytest.raises(ValueError, match="scale must be a finite number above 0, got -1"):
        linear.orthogonal_layers(2, (1.0, -1.0), seed=0)
    with pytest.raises(ValueError, match="num_features must be at least 1, got 0"):
        linear.orthogonal_layers(0, (1.0,), seed=0)
    start = linear.orthogonal_layers(4, (1.0,), seed=0)
    with pytest.raises(ValueError, match="horizon must be a finite number above 0"):
        linear.flowed(start, four(), horizon=0.0)
    with pytest.raises(ValueError, match=r"decay must be at least 0, got -0\.1"):
        linear.flowed(start, four(), decay=-0.1)
