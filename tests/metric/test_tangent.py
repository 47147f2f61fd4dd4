"""Shares of a metric along a direction, by hand."""

import jaxtyping
import pytest
import torch
from heads import circle, draw, positive_definite, radius

from geomlib.metric.pullback import pullback_metric
from geomlib.metric.tangent import tangent_energy


def test_by_hand_and_whatever_the_length():
    G = torch.diag(torch.tensor([1.0, 3.0])).double().expand(3, 2, 2)
    t = torch.tensor([[2.0, 0.0], [0.0, -5.0], [1.0, 1.0]]).double()
    expected = torch.tensor([1 / 4, 3 / 4, 1 / 2]).double()
    assert (tangent_energy(G, t) - expected).abs().max() < 1e-12


def test_energies_of_an_orthonormal_basis_add_up_to_one():
    G = positive_definite(6, 4)
    basis = torch.linalg.qr(draw(4, 4))[0]
    total = sum(tangent_energy(G, row.expand(6, 4)) for row in basis)
    assert (total - 1).abs().max() < 1e-12


def test_the_radius_does_not_see_the_circle():
    h, tangents = circle(12, size=2.0)
    G = pullback_metric(radius, h)
    assert tangent_energy(G, tangents).abs().max() < 1e-15
    assert (tangent_energy(G, h) - 1).abs().max() < 1e-12


def test_another_number_of_tangents_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    G, t = positive_definite(3, 2), draw(3, 2)
    with pytest.raises(ValueError, match=r"one row per metric .* got \(2, 2\)"):
        tangent_energy(G, t[:2])


def test_what_has_no_share_is_refused():
    G, t = positive_definite(3, 2), draw(3, 2)
    with pytest.raises(ValueError, match="tangents must all be other than 0, got 3 of 3"):
        tangent_energy(G, 0 * t)
    with pytest.raises(ValueError, match="metrics must all be other than 0, got 3 of 3"):
        tangent_energy(0 * G, t)
    with pytest.raises(ValueError, match="number of metrics must be at least 1, got 0"):
        tangent_energy(G[:0], t[:0])
