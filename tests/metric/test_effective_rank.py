"""Effective rank of metrics against counts and scipy's entropy."""

import numpy as np
import pytest
import torch
from heads import positive_definite, rotation
from scipy.stats import entropy

from geomlib.metric.effective_rank import metric_rank


def test_even_directions_are_counted():
    Q = rotation(5)
    for rank in range(1, 6):
        G = Q[:, :rank] @ Q[:, :rank].T
        assert metric_rank(3 * G[None]).item() == pytest.approx(rank, rel=1e-6)


def test_against_scipy():
    G = positive_definite(4, 5)
    expected = [np.exp(entropy(np.linalg.eigvalsh(matrix))) for matrix in G.numpy()]
    assert metric_rank(G).tolist() == pytest.approx(expected, rel=1e-10)


def test_zeros_are_refused():
    with pytest.raises(ValueError, match="must all be other than 0, got 2 of 2"):
        metric_rank(torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match="number of metrics must be at least 1, got 0"):
        metric_rank(torch.zeros(0, 3, 3))
