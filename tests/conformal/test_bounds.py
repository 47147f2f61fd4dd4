"""Bounds against a loop with scipy's root finder and exact enumeration."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from geomlib.conformal.bounds import (
    METHODS,
    hoeffding_bound,
    is_below,
    log_capital,
    wsr_bound,
)


def capital_by_loop(losses, mean, delta):
    """Largest log capital, bet by bet, from the paper's definition."""
    n = len(losses)
    variance, total, squares = 0.25, 0.0, 0.0
    log_k, best = 0.0, -math.inf
    for i, loss in enumerate(losses, start=1):
        stake = min(1.0, math.sqrt(2 * math.log(1 / delta) / (n * variance)))
        log_k += math.log(1 - stake * (loss - mean))
        best = max(best, log_k)
        total += loss
        squares += (loss - (0.5 + total) / (1 + i)) ** 2
        variance = (0.25 + squares) / (1 + i)
    return best


@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("delta", [0.05, 0.5])
def test_wsr_is_the_root_that_scipy_finds(n, delta):
    losses = np.random.default_rng(n).beta(0.5, 3, size=n)

    def short(mean):
        return capital_by_loop(losses, mean, delta) + math.log(delta)

    found = wsr_bound(torch.tensor(losses), delta).item()
    expected = brentq(short, 0, 1, xtol=1e-12) if short(1.0) > 0 else 1.0
    assert found == pytest.approx(expected, abs=1e-9)


def test_capital_of_many_sets_is_that_of_each():
    losses = torch.tensor(np.random.default_rng(0).uniform(size=(3, 4, 25)))
    mean = torch.tensor(np.random.default_rng(1).uniform(size=(3, 4)))
    found = log_capital(losses, mean, 0.1)
    for i, j in itertools.product(range(3), range(4)):
        expected = capital_by_loop(losses[i, j].tolist(), mean[i, j].item(), 0.1)
        assert found[i, j].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.35, 0.7, 0.95])
@pytest.mark.parametrize("delta", [0.05, 0.2])
def test_both_hold_exactly_as_often_as_promised_on_coins(p, delta):
    # All 2^n sequences of n coins, each with its probability: no sampling error.
    sequences = torch.tensor(list(itertools.product([0.0, 1.0], repeat=10)))
    heads = sequences.sum(1).double()
    chance = p**heads * (1 - p) ** (10 - heads)
    assert chance.sum().item() == pytest.approx(1)
    for bound in (hoeffding_bound, wsr_bound):
        # Halving leaves a last digit, which a bound of exactly p must not fall for.
        failed = bound(sequences, delta) < p - 1e-9
        assert chance[failed].sum().item() <= delta


def test_hoeffding_by_hand():
    # exp(-2 n t^2) = delta at t = 1/2 for n = 2 log(1/delta).
    delta = math.exp(-2)
    assert hoeffding_bound(torch.full((4,), 0.25), delta).item() == pytest.approx(0.75)
    assert hoeffding_bound(torch.tensor([0.9]), 0.1).item() == 1.0


def test_wsr_is_tighter_where_losses_vary_little():
    losses = 0.1 + 0.02 * torch.rand(500, generator=torch.Generator().manual_seed(0))
    assert wsr_bound(losses, 0.1) < hoeffding_bound(losses, 0.1) - 0.02


@given(st.integers(0, 2**31 - 1), st.integers(1, 40), st.floats(0.02, 0.9))
@settings(max_examples=25, deadline=None)
def test_is_below_agrees_with_the_bound(seed, n, level):
    losses = torch.tensor(np.random.default_rng(seed).beta(0.4, 2, size=(8, n)))
    assert torch.equal(is_below(losses, level, 0.1, "naive"), losses.mean(1) <= level)
    for method, bound in (("hoeffding", hoeffding_bound), ("wsr", wsr_bound)):
        values = bound(losses, 0.1)
        clear = (values - level).abs() > 1e-9
        found = is_below(losses, level, 0.1, method)
        assert torch.equal(found[clear], (values <= level)[clear])


def test_bad_inputs_are_refused():
    fine = torch.rand(4)
    with pytest.raises(ValueError, match=r"losses must be in \[0, 1\], got 0 to 2"):
        wsr_bound(torch.tensor([0.0, 2.0]), 0.1)
    with pytest.raises(ValueError, match=r"losses must be in \[0, 1\]"):
        hoeffding_bound(torch.tensor([0.0, float("nan")]), 0.1)
    with pytest.raises(ValueError, match="delta must be above 0"):
        hoeffding_bound(fine, 0.0)
    with pytest.raises(ValueError, match="number of losses must be at least 1"):
        wsr_bound(torch.zeros(0), 0.1)
    with pytest.raises(ValueError, match=f"method must be one of {', '.join(METHODS)}"):
        is_below.__wrapped__(fine, 0.1, 0.1, "bentkus")
