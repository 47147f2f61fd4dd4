"""Curvature of heads against finite differences of finite differences' Jacobians."""

import jaxtyping
import pytest
import torch
from heads import circle, deep, draw, radius
from torch import nn

from geomlib.metric.curvature import curvature
from geomlib.metric.pullback import jacobians


@pytest.mark.parametrize("batch_norm", [False, True])
def test_against_differences(batch_norm):
    head, h, u = deep(batch_norm), draw(7, 5), draw(7, 5, seed=1)
    step = 1e-5 * u / u.norm(dim=1, keepdim=True)
    change = (jacobians(head, h + step) - jacobians(head, h - step)) / 2e-5
    size = torch.linalg.matrix_norm(jacobians(head, h))
    expected = torch.linalg.matrix_norm(change) / size
    assert (curvature(head, h, u) - expected).abs().max() < 1e-8


def test_radius_turns_once_a_radius_along_the_circle_and_not_across():
    h, tangents = circle(9, size=4.0)
    assert (curvature(radius, h, tangents) - 1 / 4).abs().max() < 1e-12
    assert curvature(radius, h, h).abs().max() < 1e-12


def test_affine_heads_have_none():
    head = nn.Linear(5, 3).double()
    assert curvature(head, draw(4, 5), draw(4, 5, seed=1)).abs().max() == 0


def test_a_stretched_head_turns_more_slowly():
    head, h, u = deep(), draw(4, 5), draw(4, 5, seed=1)
    stretched = curvature(lambda x: head(x / 10), 10 * h, u)
    assert (stretched - curvature(head, h, u) / 10).abs().max() < 1e-12


def test_another_number_of_directions_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="h and directions must have one shape"):
        curvature(deep(), draw(4, 5), draw(3, 5))


def test_what_has_no_curvature_is_refused():
    h, u = draw(4, 5), draw(4, 5, seed=1)
    with pytest.raises(ValueError, match="directions must all be other than 0, got 4"):
        curvature(deep(), h, 0 * u)
    with pytest.raises(ValueError, match="the Jacobians must all be other than 0, got 4"):
        curvature(lambda x: 0 * x, h, u)
    with pytest.raises(ValueError, match="batch norm"):
        curvature(deep(batch_norm=True).train(), h, u)
