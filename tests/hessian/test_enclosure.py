"""Enclosures from a Krylov part, against the eigenvalues of the whole matrix."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from geomlib.hessian._enclosure import bordered, crossing, enclosures, wanted


def parts(seed: int) -> tuple:
    """Whole matrix, Ritz parts of its leading block, edges of the trailing block."""
    rng = np.random.default_rng(seed)
    p, q = int(rng.integers(4, 9)), int(rng.integers(1, 6))
    matrix = torch.tensor(rng.normal(size=(p + q, p + q)))
    matrix = matrix + matrix.mT + float(rng.normal()) * torch.eye(p + q)
    theta, S = torch.linalg.eigh(matrix[:p, :p])
    edges = torch.linalg.eigvalsh(matrix[p:, p:])
    tau = float(edges[0]), float(edges[-1])
    return matrix, (theta, S, matrix[p:, :p] @ S), tau


@pytest.mark.parametrize("ends", [(0, 1), (1, 0), (1, 1), (2, 2)])
def test_each_rank_lies_between_its_ritz_value_and_the_enclosure(ends):
    for seed in range(60):
        matrix, ritz, tau = parts(seed)
        truth = wanted(torch.linalg.eigvalsh(matrix), ends)
        inner = wanted(ritz[0], ends)
        outward = torch.tensor([-1.0] * ends[0] + [1.0] * ends[1])
        reach = outward * (truth - inner)
        assert (reach >= -1e-12).all()
        assert (reach <= enclosures(ritz, tau, ends) + 1e-12).all()


def test_two_by_two_by_hand():
    one = torch.ones(1, 1, dtype=torch.float64)
    # [[1, 1], [1, t]] has eigenvalues (1 + t) / 2 -+ sqrt((1 - t)^2 / 4 + 1).
    found = bordered(one[0], one, 2.0)
    np.testing.assert_allclose(found, [1.5 - 1.25**0.5, 1.5 + 1.25**0.5])
    gap = enclosures((one[0], one, one), (-2.0, 2.0), (0, 1))
    np.testing.assert_allclose(gap, [0.5 + 1.25**0.5])


def test_without_an_edge_there_is_no_enclosure():
    _, ritz, _ = parts(0)
    assert enclosures(ritz, (-np.inf, np.inf), (1, 1)).isinf().all()


@pytest.mark.parametrize("level", [-20.0, 0.0, 3.0, 40.0])
def test_crossing_is_where_the_polynomial_reaches_the_level(level):
    mu = torch.tensor([-1.0, 0.3, 0.9, 2.0], dtype=torch.float64)

    def height(t: float) -> float:
        return float((t - mu).log().sum()) - level

    expected = brentq(height, 2.0 + 1e-14, 1e6, xtol=1e-13)
    assert crossing(mu, level) == pytest.approx(expected, rel=1e-9)
