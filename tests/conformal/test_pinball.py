"""Pinball loss against scikit-learn and the quantile it is made for."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from geomlib.conformal.pinball import pinball


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_it_is_scikit_learns(level):
    y, f = np.random.default_rng(0).normal(size=(2, 40))
    found = pinball(torch.tensor(f), torch.tensor(y), level)
    assert found.item() == pytest.approx(mean_pinball_loss(y, f, alpha=level), rel=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
def test_its_minimiser_is_the_quantile(level):
    y = torch.tensor(np.random.default_rng(1).exponential(size=2001))
    grid = torch.linspace(0, 4, 801, dtype=torch.float64)
    values = torch.stack([pinball(torch.full_like(y, c), y, level) for c in grid.tolist()])
    assert grid[values.argmin()].item() == pytest.approx(
        np.quantile(y.numpy(), level), abs=0.005
    )


def test_half_is_half_the_absolute_error():
    f, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -2.0]])
    assert pinball(f, y, 0.5).item() == (2 + 4) / 2 / 2


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="level must be above 0 and below 1, got 1"):
        pinball(torch.zeros(2), torch.zeros(2), 1.0)
    with pytest.raises(ValueError, match="predicted and target must have one shape"):
        pinball.__wrapped__(torch.zeros(2), torch.zeros(3), 0.5)
