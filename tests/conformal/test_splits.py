"""Splits against one split by hand, and rows that are not independent."""

import math

import numpy as np
import pytest
import torch

from geomlib.conformal.intervals import fraction_missed
from geomlib.conformal.risk_control import smallest_certified
from geomlib.conformal.splits import Splits, split_risks

SCALES = torch.linspace(0.0, 9.0, 61)
SETTINGS = {"level": 0.1, "delta": 0.1}


def groups(num_groups, r, *, alike, seed=0, d=4):
    """Rows of exponential needs; the rows of a group share them, or not."""
    rng = np.random.default_rng(seed)
    needed = rng.exponential(size=(num_groups, 1 if alike else r, d))
    needed = torch.tensor(np.broadcast_to(needed, (num_groups, r, d)).copy())
    return fraction_missed(needed.flatten(0, 1), SCALES).reshape(num_groups, r, -1)


def test_one_split_is_a_calibration_and_a_mean_of_the_rest():
    losses = groups(30, 1, alike=False)
    found = split_risks(
        losses, num_calibration=20, num_splits=3, method="naive", seed=5, **SETTINGS
    )
    order = torch.rand(3, 30, generator=torch.Generator().manual_seed(5)).argsort(1)
    for split, picks in enumerate(order):
        position = smallest_certified(
            losses[picks[:20], 0], method="naive", seed=0, **SETTINGS
        )
        assert found.positions[split] == position
        expected = losses[picks[20:], 0, position].mean()
        assert found.risks[split].item() == pytest.approx(expected.item())


def test_chunks_change_nothing(monkeypatch):
    losses = groups(40, 1, alike=False)
    settings = dict(num_calibration=20, num_splits=8, method="wsr", seed=0, **SETTINGS)
    whole = split_risks(losses, **settings)
    monkeypatch.setattr("geomlib.conformal.splits._CHUNK_NUMBERS", 20 * len(SCALES) * 8)
    assert torch.equal(split_risks(losses, **settings).risks, whole.risks)


def test_rows_of_a_group_are_not_independent():
    losses = groups(1200, 3, alike=True)
    settings = dict(num_calibration=240, num_splits=200, method="wsr", seed=0, **SETTINGS)
    promised = 0.1 + 2 * math.sqrt(0.1 * 0.9 / 200)
    assert split_risks(losses, **settings).violations(0.1) <= promised
    # 80 groups counted three times each: the bound believes in 240 rows.
    assert split_risks(losses, rows="all", **settings).violations(0.1) > promised


def test_no_certified_scale_is_no_violation():
    losses = torch.ones(10, 1, len(SCALES))
    found = split_risks(
        losses, num_calibration=5, num_splits=2, method="wsr", seed=0, **SETTINGS
    )
    assert found.positions.tolist() == [len(SCALES)] * 2
    assert found.violations(0.1) == 0


def test_violations_are_counted_above_the_level():
    risks = torch.tensor([0.05, 0.1, 0.11, 0.2], dtype=torch.float64)
    assert Splits(torch.zeros(4, dtype=torch.int64), risks).violations(0.1) == 0.5


def test_bad_inputs_are_refused():
    losses = groups(12, 3, alike=False)
    good = dict(num_splits=1, method="naive", seed=0, **SETTINGS)
    with pytest.raises(
        ValueError, match="num_calibration must be a positive multiple of 3"
    ):
        split_risks(losses, num_calibration=4, rows="all", **good)
    with pytest.raises(ValueError, match="num_calibration must leave groups"):
        split_risks(losses, num_calibration=12, **good)
