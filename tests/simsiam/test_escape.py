"""Spread, escapes and Wilson's interval, against formulas and scipy."""

import math

import pytest
import torch

from geomlib.simsiam.escape import escapes, iso


def test_a_uniform_sphere_has_spread_one():
    z = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    assert float(iso(z)) == pytest.approx(1.0, abs=0.01)


def test_one_direction_gives_a_known_share():
    # Unit rows (cos a, sin a) with a = +-t: deviations 0 and sin t, mean times root 2.
    z = torch.tensor([[math.cos(0.3), math.sin(0.3)], [math.cos(0.3), -math.sin(0.3)]])
    assert float(iso(7 * z)) == pytest.approx(math.sin(0.3) / math.sqrt(2), rel=1e-6)


def test_a_point_has_none_and_runs_stay_apart():
    z = torch.stack([torch.ones(5, 3), torch.eye(5, 3)])
    both = iso(z)
    assert float(both[0]) == pytest.approx(0.0, abs=1e-6)
    assert float(both[1]) == pytest.approx(float(iso(z[1])))


def test_escape_needs_level_and_rise():
    spread = torch.tensor(
        [[0.04, 0.01, 0.01, 0.40], [0.05, 0.04, 0.02, 0.01], [0.06, 0.04, 0.06, 0.02]]
    )
    found = escapes(spread)
    assert found.escaped.tolist() == [False, False, True, False]
    assert found.first.tolist() == [-1, -1, 2, -1]
    torch.testing.assert_close(found.growth, torch.tensor([1.5, 4.0, 6.0, 2.0]))
    # The nearer of level over 0.05 and rise over 3, at the best record.
    torch.testing.assert_close(found.margin, torch.tensor([0.5, 0.8, 1.2, 0.4]))


def test_falling_back_is_no_stay():
    found = escapes(torch.tensor([[0.01], [0.2], [0.02]]))
    assert found.escaped.item()
    assert not found.stayed.item()
    assert found.first.item() == 1


def test_a_run_that_diverged_has_not_escaped():
    assert not escapes(torch.tensor([[0.01], [math.nan]])).escaped.item()


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="number of rows in z must be at least 2, got 1"):
        iso(torch.ones(1, 3))
    with pytest.raises(ValueError, match="number of records must be at least 1"):
        escapes(torch.ones(0, 3))
    with pytest.raises(ValueError, match="ratio must be a finite number above 0"):
        escapes(torch.ones(2, 3), ratio=0.0)
