"""Measures of orbits, against shapes whose measures are known."""

import math

import pytest
import torch

from geomlib.trajectories import orbit_measures


def random_path(t=9, n=20, d=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(t, n, d, generator=draw, dtype=torch.float64)


def test_a_straight_even_path_has_rank_one_and_no_bend():
    direction = random_path(t=3)[0]
    path = torch.linspace(0, 1, 8, dtype=torch.float64)[:, None, None] * direction
    measures = orbit_measures(path, path[-1])
    torch.testing.assert_close(measures.rank, torch.ones_like(measures.rank))
    assert measures.bend.max() < 1e-12
    assert measures.relative_bend.max() < 1e-12
    # The variance of 8 even steps from 0 to 1 is (8 + 1) / (12 (8 - 1)).
    expected = 9 / 84 * direction.square().mean(1)
    torch.testing.assert_close(measures.variance, expected)


def test_a_circle_has_rank_two_and_bends_by_the_angle_of_a_step():
    num = 16
    angle = torch.arange(num, dtype=torch.float64) * 2 * math.pi / num
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)  # [t 2]
    path = torch.stack([circle + 5, 3 * circle], dim=1)
    measures = orbit_measures(path, path[0])
    torch.testing.assert_close(measures.rank, torch.full((2,), 2.0).double())
    # A chord is 2 sin(a/2), a second difference 4 sin(a/2)^2 = 2 (1 - cos a).
    step = 2 * math.pi / num
    bend = torch.tensor([1.0, 3.0]).double() * 2 * (1 - math.cos(step))
    torch.testing.assert_close(measures.bend, bend)
    relative = torch.full((2,), 2 * math.sin(step / 2)).double()
    torch.testing.assert_close(measures.relative_bend, relative)
    # Around the origin the cosines of a whole circle add up to nothing.
    assert abs(measures.alignment[1]) < 1e-12


def test_measures_agree_with_plain_loops():
    path, anchor = random_path(), random_path(seed=1)[0]
    measures = orbit_measures(path, anchor)
    common = path.mean((0, 1))
    for i in range(path.shape[1]):
        orbit = path[:, i]
        covariance = torch.cov(orbit.T, correction=0)
        shares = torch.linalg.eigvalsh(covariance).clamp(min=0) / covariance.trace()
        entropy = -sum(float(p) * math.log(p) for p in shares if p > 0)
        assert measures.rank[i] == pytest.approx(math.exp(entropy))
        assert measures.variance[i] == pytest.approx(float(covariance.trace()) / 6)
        bends = [(orbit[t + 1] - 2 * orbit[t] + orbit[t - 1]).norm() for t in range(1, 8)]
        assert measures.bend[i] == pytest.approx(float(sum(bends)) / 7)
        for shift, found in (
            (torch.zeros(6).double(), measures.alignment),
            (common, measures.centred_alignment),
        ):
            cosines = [
                (row - shift)
                @ (anchor[i] - shift)
                / ((row - shift).norm() * (anchor[i] - shift).norm())
                for row in orbit
            ]
            assert found[i] == pytest.approx(float(sum(cosines)) / 9)


def test_scale_and_origin_change_the_published_measures_alone():
    path = random_path()
    plain, scaled = orbit_measures(path, path[0]), orbit_measures(10 * path, 10 * path[0])
    moved = orbit_measures(path + 1e3, path[0] + 1e3)
    torch.testing.assert_close(scaled.variance, 100 * plain.variance)
    torch.testing.assert_close(scaled.bend, 10 * plain.bend)
    for name in ("rank", "relative_bend", "alignment", "centred_alignment"):
        torch.testing.assert_close(getattr(scaled, name), getattr(plain, name))
    assert moved.alignment.min() > 0.999
    torch.testing.assert_close(moved.centred_alignment, plain.centred_alignment)


def test_orbits_that_stand_still_are_refused():
    path = random_path()
    path[:, 3] = path[0, 3]
    with pytest.raises(ValueError, match="orbits must move by more than rounding, got 1"):
        orbit_measures(path, path[0])


def test_short_paths_single_samples_and_bad_numbers_are_refused():
    path = random_path()
    with pytest.raises(ValueError, match="number of steps must be at least 3, got 2"):
        orbit_measures(path[:2], path[0])
    with pytest.raises(ValueError, match="number of samples must be at least 2, got 1"):
        orbit_measures(path[:, :1], path[0, :1])
    broken = path[0].clone()
    broken[2] = math.nan
    with pytest.raises(ValueError, match="anchor must be finite, got 6 bad"):
        orbit_measures(path, broken)
