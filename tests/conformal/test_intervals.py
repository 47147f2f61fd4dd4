"""Intervals and missed shares against counting one by one."""

import pytest
import torch

from geomlib.conformal.intervals import fraction_missed, needed_scale, widened


def predictions(seed=0, n=6, d=5):
    generator = torch.Generator().manual_seed(seed)
    point, target, below, above = torch.randn(
        4, n, d, generator=generator, dtype=torch.float64
    )
    return point - below, point, point + above, target  # some ends on the wrong side


def test_missed_share_is_what_counting_the_widened_intervals_gives():
    lower, point, upper, target = predictions()
    scales = torch.linspace(0.013, 4, 57, dtype=torch.float64)
    found = fraction_missed(needed_scale(lower, point, upper, target), scales)
    for scale, column in zip(scales.tolist(), found.T, strict=True):
        low, high = widened(lower, point, upper, scale)
        missed = ((target < low) | (target > high)).double().mean(1)
        torch.testing.assert_close(column, missed)


def test_a_target_on_the_end_is_held():
    ones = torch.ones(1, 1)
    needed = needed_scale(-ones, 0 * ones, ones, ones)
    found = fraction_missed(needed, torch.tensor([0.999, 1.0]))
    assert found.tolist() == [[1.0, 0.0]]


def test_a_side_of_width_zero_never_holds_but_the_point_does():
    zero = torch.zeros(1, 2)
    needed = needed_scale(zero, zero, zero, torch.tensor([[0.0, 1e-9]]))
    assert needed.tolist() == [[0.0, float("inf")]]
    assert fraction_missed(needed, torch.tensor([0.0, 1e9])).tolist() == [[0.5, 0.5]]


def test_constant_width_needs_the_absolute_error():
    _, point, _, target = predictions(seed=1)
    needed = needed_scale(point - 1, point, point + 1, target)
    torch.testing.assert_close(needed, (target - point).abs())


def test_bad_inputs_are_refused():
    lower, point, upper, target = predictions()
    with pytest.raises(ValueError, match="upper and target must have one shape"):
        needed_scale.__wrapped__(lower, point, upper[:2], target)
    with pytest.raises(ValueError, match="point must be finite, got 30 bad"):
        needed_scale(lower, point * float("nan"), upper, target)
    with pytest.raises(ValueError, match="scale must be at least"):
        widened(lower, point, upper, -1.0)
    with pytest.raises(ValueError, match="scales must rise"):
        fraction_missed(target.abs(), torch.tensor([1.0, 1.0]))
