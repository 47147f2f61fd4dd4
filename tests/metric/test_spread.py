"""Spreads against closed forms of commuting and of turning metrics, and invariance."""

import math

import numpy as np
import pytest
import torch
from heads import circle, deep, draw, positive_definite, radius, rotation
from scipy.linalg import logm

from geomlib.metric.pullback import metric_chunks, pullback_metric
from geomlib.metric.spread import (
    affine_invariant_spread,
    frobenius_spread,
    log_euclidean_spread,
)

LOGARITHMIC = (log_euclidean_spread, affine_invariant_spread)


def test_equal_metrics_have_no_spread():
    G = positive_definite(1, 4).expand(50, 4, 4)
    assert frobenius_spread(G) == 0
    assert frobenius_spread(G.float()) == 0
    for spread in LOGARITHMIC:
        assert spread(G) < 1e-12


def test_frobenius_against_its_definition():
    G = positive_definite(20, 4)
    mean = G.mean(0)
    expected = float((G - mean).square().sum() / G.square().sum())
    assert frobenius_spread(G) == pytest.approx(expected, rel=1e-10)
    assert frobenius_spread(iter(G.split(3))) == pytest.approx(expected, rel=1e-10)


def test_frobenius_of_two_scales():
    eye = torch.eye(3).double()
    # Mean 2, mean square 5 (times 3): 1 - 4 / 5.
    assert frobenius_spread(torch.stack([eye, 3 * eye])) == pytest.approx(0.2)


def test_frobenius_of_small_differences_keeps_its_digits():
    noise = draw(200, 3, 3)
    G = torch.eye(3).double() + 1e-4 * (noise + noise.mT)
    exact, rounded = frobenius_spread(G), frobenius_spread(G.float())
    assert rounded == pytest.approx(exact, rel=1e-2)


def test_frobenius_takes_what_the_head_gives_chunk_by_chunk():
    head, h = deep(), draw(30, 5)
    chunked = frobenius_spread(metric_chunks(head, h, chunk_size=7))
    assert chunked == pytest.approx(frobenius_spread(pullback_metric(head, h)), rel=1e-10)


@pytest.mark.parametrize("spread", LOGARITHMIC)
@pytest.mark.parametrize("regularisation", [0.0, 1e-2])
def test_commuting_metrics_in_closed_form(spread, regularisation):
    values = draw(12, 3).exp()
    Q = rotation(3)
    G = Q @ torch.diag_embed(values) @ Q.T
    logs = (values / values.sum(1).mean() + regularisation).log()
    expected = (logs - logs.mean(0)).square().sum(1).mean().sqrt()
    found = spread(G, regularisation=regularisation)
    assert found.item() == pytest.approx(expected.item(), rel=1e-7)


@pytest.mark.parametrize("spread", LOGARITHMIC)
def test_radius_over_a_circle_in_closed_form(spread):
    G = pullback_metric(radius, circle(40)[0])
    assert frobenius_spread(G) == pytest.approx(0.5)
    # Eigenvalues 1 + e and e, turning: the log-mean is isotropic.
    expected = math.log(1 + 1e3) / math.sqrt(2)
    assert spread(G).item() == pytest.approx(expected, rel=1e-9)


def test_log_euclidean_against_scipy():
    G = positive_definite(15, 4)
    A = (
        G / G.diagonal(dim1=1, dim2=2).sum(1).mean() + 1e-3 * torch.eye(4).double()
    ).numpy()
    logs = np.stack([logm(matrix) for matrix in A])
    squares = ((logs - logs.mean(0)) ** 2).sum((1, 2))
    expected = math.sqrt(squares.mean())
    assert log_euclidean_spread(G).item() == pytest.approx(expected, rel=1e-9)


def test_affine_invariant_of_two_is_half_their_distance():
    A, B = positive_definite(2, 3)
    ratios = torch.linalg.eigvals(torch.linalg.solve(A, B)).real
    expected = ratios.log().norm() / 2
    found = affine_invariant_spread(torch.stack([A, B]), regularisation=0.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-8)


def test_affine_invariance_and_its_lack():
    G, A = positive_definite(10, 4), draw(4, 4, seed=3)
    changed = A.T @ G @ A
    for spread, same in zip(LOGARITHMIC, (False, True), strict=True):
        before, after = (float(spread(x, regularisation=0.0)) for x in (G, changed))
        assert (before == pytest.approx(after, rel=1e-6)) is same


@pytest.mark.parametrize("spread", [frobenius_spread, *LOGARITHMIC])
def test_scale_and_rotation_change_nothing(spread):
    G, Q = positive_definite(10, 4), rotation(4)
    assert float(spread(7 * Q @ G @ Q.T)) == pytest.approx(float(spread(G)), rel=1e-8)


def test_no_metrics_zeros_and_flat_ones_are_refused():
    zeros = torch.zeros(3, 2, 2).double()
    for empty in (zeros[:0], iter([])):
        with pytest.raises(ValueError, match="number of metrics must be at least 1, got 0"):
            frobenius_spread(empty)
    with pytest.raises(ValueError, match="entry other than 0, got 3 zeros"):
        frobenius_spread(zeros)
    flat = torch.diag(torch.tensor([1.0, 0.0])).double().expand(3, 2, 2)
    for spread in LOGARITHMIC:
        with pytest.raises(ValueError, match="number of metrics must be at least 1, got 0"):
            spread(zeros[:0])
        with pytest.raises(ValueError, match="positive mean trace, got 0"):
            spread(zeros)
        with pytest.raises(ValueError, match="must be finite, got 12 bad of 12"):
            spread(zeros / 0)
        with pytest.raises(ValueError, match=r"an eigenvalue of 0 .* Raise regularisation"):
            spread(flat, regularisation=0.0)
        with pytest.raises(ValueError, match="regularisation must be at least 0"):
            spread(flat, regularisation=-1.0)


def test_a_centre_not_found_is_told():
    with pytest.raises(ArithmeticError, match="in num_steps = 1 steps"):
        affine_invariant_spread(positive_definite(5, 3), num_steps=1)
