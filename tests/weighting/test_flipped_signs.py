"""Four corners: the loss against samples, its minimum against optimisation."""

import numpy as np
import pytest
import torch

from geomlib.losses import spectral_contrastive
from geomlib.weighting.flipped_signs import (
    CORNERS,
    embedded_share,
    pair_loss,
    pair_probabilities,
)
from geomlib.weighting.reading import class_share


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.5, 1.0])
def test_pairs_by_drawing_them(flip):
    draw = np.random.default_rng(0)
    corner = draw.integers(4, size=100_000)
    flips = draw.random((2, len(corner))) < flip
    # Flipping both signs takes corner i to corner 3 - i.
    assert torch.equal(CORNERS.flip(0), -CORNERS)
    first, second = (np.where(f, 3 - corner, corner) for f in flips)
    counts = np.zeros((4, 4))
    np.add.at(counts, (first, second), 1 / len(corner))
    np.testing.assert_allclose(pair_probabilities(flip), counts, atol=0.005)


def test_loss_is_that_of_many_samples():
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(4, 3, generator=draw, dtype=torch.float64)
    pairs = pair_probabilities(0.3).double()
    found = []
    for _ in range(40):
        picks = pairs.flatten().multinomial(300, replacement=True, generator=draw)
        found.append(float(spectral_contrastive(z[picks // 4], z[picks % 4])))
    expected = float(pair_loss(z, pairs))
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 40**0.5)


@pytest.mark.parametrize("flip", [0.1, 0.25, 0.4, 0.5])
def test_share_is_that_of_the_eigenfunctions(flip):
    pairs = pair_probabilities(flip).double()
    # Corners have probability 1/4: functions of length 1 are twice the eigenvectors.
    found = np.linalg.eigh(4 * pairs.numpy())
    z = torch.from_numpy(2 * found.eigenvectors * found.eigenvalues.clip(min=0) ** 0.5)
    z.requires_grad_()
    (slope,) = torch.autograd.grad(pair_loss(z, pairs), z)
    assert slope.abs().max() < 1e-12
    for sign in (0, 1):
        labels = (CORNERS[:, sign] > 0).long()
        share = float(class_share(z.detach(), labels))
        assert share == pytest.approx(embedded_share(flip), abs=1e-7)


def test_bad_flip_is_refused():
    with pytest.raises(ValueError, match=r"flip must be between 0 and 1, got 1\.5"):
        pair_probabilities(1.5)
