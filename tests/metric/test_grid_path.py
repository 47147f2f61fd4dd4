"""Grid paths against lengths in closed form, and where descent alone goes wrong."""

import math

import pytest
import torch

from geomlib.metric.geodesic import curve_length, geodesic
from geomlib.metric.grid_path import grid_path


def flat(x):
    return torch.eye(2).double().expand(len(x), 2, 2)


def hill(x):
    """Flat but for a steep hill at the centre, around which a path must go."""
    height = 100 * torch.exp(-4 * x.square().sum(1))
    return (1 + height)[:, None, None] * torch.eye(2).double()


def point(*coordinates):
    return torch.tensor(coordinates, dtype=torch.float64)


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.7, 1.4])
def test_flat_paths_are_a_few_per_cent_too_long(angle):
    end = 1.5 * point(math.cos(angle), math.sin(angle))
    path = grid_path(flat, point(0, 0), end, half_width=2.0)
    assert (path[0] == point(0, 0)).all()
    assert (path[-1] == end).all()
    assert 1.5 - 1e-9 <= curve_length(flat, path).item() < 1.5 * 1.08


def test_goes_around_a_hill_over_which_descent_would_go():
    start, end = point(-1.5, 0), point(1.5, 0)
    path = grid_path(hill, start, end, half_width=2.0)
    assert path.norm(dim=1).min() > 0.5
    around = geodesic(hill, start, end, initial=path).length
    over = geodesic(hill, start, end).length
    assert around < 0.9 * over
    assert around <= curve_length(hill, path).item()


def test_what_is_off_the_grid_is_refused():
    with pytest.raises(ValueError, match=r"must lie within half_width = 1 .* got 2"):
        grid_path(flat, point(0, 0), point(2, 0), half_width=1.0)
    with pytest.raises(ValueError, match="half_width must be a finite number above 0"):
        grid_path(flat, point(0, 0), point(0, 0), half_width=0.0)
    with pytest.raises(ValueError, match="num_cells must be at least 2, got 1"):
        grid_path(flat, point(0, 0), point(1, 0), half_width=2.0, num_cells=1)
