"""Descent against the recurrence by hand; classifiers and pairs on tiny images."""

import math

import pytest
import torch
from torch import nn

from geomlib.data.two_cues import TwoCueImages, two_cue_images
from geomlib.models.encoders import mlp_head
from geomlib.shortcuts.mixtures import Mixture
from geomlib.shortcuts.momentum_training import descend, train_classifier, train_contrastive


def flat(counts: tuple[int, ...] = (40, 4, 4, 2)) -> TwoCueImages:
    """Core, background and object are black or white."""
    shades = (0.0, 1.0)
    return two_cue_images(
        tuple(torch.full((1, 3, 4, 4), x) for x in shades),
        tuple(torch.full((1, 3, 8, 8), x) for x in shades),
        tuple(torch.full((1, 1, 1, 1), x) for x in shades),
        counts=counts,
        seed=0,
    )


def encoder(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU())


SETTINGS = {"num_features": 8, "num_steps": 60, "batch_size": 32, "learning_rate": 0.05}


def test_descent_is_the_recurrence():
    point = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        point.weight.fill_(2.0)
    steps, rate, decay = 5, 0.3, 0.01
    losses = descend(
        lambda: point.weight.square().sum(),
        point,
        num_steps=steps,
        learning_rate=rate,
        weight_decay=decay,
    )
    w, v, expected = 2.0, 0.0, []
    for t in range(steps):
        expected.append(w * w)
        slope = 2 * w + decay * w
        v = slope if t == 0 else 0.9 * v + slope
        w -= rate * (1 + math.cos(math.pi * t / steps)) / 2 * v
    assert losses.tolist() == pytest.approx(expected)
    assert point.weight.item() == pytest.approx(w)
    assert not point.training


def test_classifiers_learn_the_core_where_cues_say_nothing():
    data = flat((10, 10, 10, 10))
    for ensemble in (False, True):
        network = train_classifier(
            encoder(), data, Mixture(0.3, 0.3), seed=0, ensemble=ensemble, **SETTINGS
        )
        assert (network(data.images).argmax(1) == data.labels).all()
        assert not network.training


def test_one_seed_one_network():
    first, again, other = (
        train_classifier(encoder(), flat(), Mixture(0.5), seed=s, **SETTINGS)
        for s in (0, 0, 1)
    )
    images = flat().images
    assert torch.equal(first(images), again(images))
    assert not torch.equal(first(images), other(images))


def test_weights_are_used():
    data = flat()
    uncommon = (~data.common).all(1).float()
    network = train_classifier(
        encoder(), data, Mixture(), seed=0, weights=uncommon, **SETTINGS
    )
    # Trained where both cues are uncommon, it is right there.
    images = data.images[uncommon.bool()]
    assert (network(images).argmax(1) == data.labels[uncommon.bool()]).all()


def test_pairs_of_one_class_come_together():
    data = flat((10, 10, 10, 10))
    network = nn.Sequential(encoder(), mlp_head(8, 4, seed=1))
    settings = {k: SETTINGS[k] for k in ("num_steps", "batch_size", "learning_rate")}
    losses = train_contrastive(network, data, temperature=0.5, seed=0, **settings)
    assert losses[-5:].mean() < losses[:5].mean()
    z = nn.functional.normalize(network(data.images), dim=1)
    cosine = z @ z.T
    same = data.labels[:, None] == data.labels
    assert cosine[same].mean() > cosine[~same].mean() + 0.5


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1"):
        train_classifier(
            encoder(), flat(), Mixture(), seed=0, **SETTINGS | {"batch_size": 1}
        )
    ones = flat()[flat().labels == 1]
    with pytest.raises(ValueError, match="smaller class must be at least 1, got 0"):
        train_contrastive(
            encoder(),
            ones,
            temperature=1.0,
            num_steps=1,
            batch_size=2,
            learning_rate=0.1,
            seed=0,
        )
    point = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="loss must stay finite"):
        descend(
            lambda: point.weight.sum() * torch.inf, point, num_steps=1, learning_rate=1.0
        )
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        descend(lambda: point.weight.sum(), point, num_steps=0, learning_rate=1.0)
