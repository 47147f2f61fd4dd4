"""Geodesics against closed forms: flat, polar, hyperbolic."""

import math

import pytest
import torch
from heads import deep, draw, radius

from geomlib.metric.geodesic import curve_length, geodesic, resampled
from geomlib.metric.pullback import pullback_field


def point(*coordinates):
    return torch.tensor(coordinates, dtype=torch.float64)


def constant(G):
    return lambda x: G.expand(len(x), *G.shape)


def half_plane(x):
    """Hyperbolic plane: circles about the axis are geodesics."""
    return torch.eye(2).double() / x[:, 1].square()[:, None, None]


def polar(x):
    """The flat plane in coordinates (radius, angle)."""
    return torch.diag_embed(torch.stack([torch.ones(len(x)).double(), x[:, 0] ** 2], dim=1))


def test_a_constant_metric_has_straight_geodesics():
    A = draw(3, 3)
    G = A @ A.T + torch.eye(3)
    start, end = draw(2, 3, seed=1)
    # From a bent curve, so that the straight one is found and not merely kept.
    initial = torch.stack([start, start + 1, end - 2, end])
    found = geodesic(constant(G), start, end, initial=initial)
    share = torch.linspace(0, 1, 41).double()[:, None]
    assert found.converged
    assert (found.points - (start + share * (end - start))).abs().max() < 1e-4
    expected = ((end - start) @ G @ (end - start)).sqrt()
    assert found.length == pytest.approx(expected.item(), rel=1e-7)


def test_hyperbolic_geodesic_is_an_arc():
    found = geodesic(half_plane, point(-1, 1), point(1, 1), num_segments=100)
    assert found.converged
    assert found.length == pytest.approx(math.acosh(1 + 4 / 2), rel=1e-4)
    assert (found.points.norm(dim=1) - math.sqrt(2)).abs().max() < 1e-4


def test_error_falls_with_the_square_of_the_segments():
    errors = [
        abs(
            geodesic(half_plane, point(-1, 1), point(1, 1), num_segments=m).length
            - math.acosh(3)
        )
        for m in (10, 20)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_polar_coordinates_of_a_straight_line():
    start, end = point(1.0, 0.0), point(2.0, 1.5)
    found = geodesic(polar, start, end, num_segments=100)
    r, angle = found.points.T
    flat = torch.stack([r * angle.cos(), r * angle.sin()], dim=1)
    along = (flat[-1] - flat[0]) / (flat[-1] - flat[0]).norm()
    apart = flat - flat[0]
    aside = apart - (apart @ along)[:, None] * along
    assert aside.norm(dim=1).max() < 1e-3
    assert found.length == pytest.approx(float((flat[-1] - flat[0]).norm()), rel=1e-4)


def test_segments_are_equally_long_in_the_metric():
    points = geodesic(half_plane, point(-1, 1), point(3, 0.5)).points
    lengths = torch.stack(
        [curve_length(half_plane, pair) for pair in points.unfold(0, 2, 1).mT]
    )
    assert (lengths / lengths.mean() - 1).abs().max() < 1e-3


def test_a_head_that_reads_the_radius_has_circles_for_geodesics():
    at = pullback_field(radius)

    def metric(x):
        return at(x) + 1e-2 * torch.eye(2)

    found = geodesic(metric, point(1, 0), point(0, 1), num_segments=16)
    assert (found.points.norm(dim=1) - 1).abs().max() < 0.02


def test_length_of_an_immersed_curve_is_that_of_its_image():
    head = deep(num_inputs=2)
    points = torch.stack(
        [torch.linspace(-1, 1, 400), torch.linspace(0, 1, 400) ** 2], dim=1
    )
    points = points.double()
    steps = head(points).detach().diff(dim=0).norm(dim=1).sum()
    found = curve_length(pullback_field(head), points)
    assert found.item() == pytest.approx(steps.item(), rel=1e-4)


def test_resampled_points_are_equally_far():
    curve = point(0, 0, 3, 0, 3, 4).reshape(3, 2)
    assert (resampled(curve, 7)[3] - point(3, 0)).abs().max() < 1e-12
    steps = resampled(curve, 7).diff(dim=0).norm(dim=1)
    assert (steps - 1).abs().max() < 1e-12


def test_what_has_no_geodesic_is_refused():
    start, end = point(-1, 1), point(1, 1)
    with pytest.raises(ValueError, match=r"start and end must differ, got \[-1.0, 1.0\]"):
        geodesic(half_plane, start, start)
    with pytest.raises(ValueError, match="num_segments must be at least 2, got 1"):
        geodesic(half_plane, start, end, num_segments=1)
    with pytest.raises(ValueError, match="points in initial must be at least 2, got 1"):
        geodesic(half_plane, start, end, initial=start[None])
    with pytest.raises(ValueError, match="one 2 x 2 matrix per point"):
        geodesic(lambda x: x, start, end)
    with pytest.raises(ValueError, match="number of points must be at least 2, got 1"):
        curve_length(half_plane, start[None])


def test_too_few_steps_are_told():
    assert not geodesic(half_plane, point(-1, 1), point(1, 1), num_steps=1).converged
