"""Stationary points that are known, and starts and objectives that are awkward."""

import numpy as np
import pytest
import torch
from scipy.optimize import rosen, rosen_der

from geomlib.collapse.stationary import stationary_point


def at(*x: float) -> dict:
    return {"x": torch.tensor(x, dtype=torch.float64)}


def rosenbrock(t) -> torch.Tensor:
    x = t["x"]
    return (100 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()).sum()


def test_finds_the_minimum_of_rosenbrocks_valley():
    start = at(-1.2, 1.0, 0.3)
    assert rosenbrock(start).item() == pytest.approx(rosen(start["x"].numpy()))
    x = stationary_point(rosenbrock, start)["x"].numpy()
    np.testing.assert_allclose(x, 1, atol=1e-13)
    assert np.linalg.norm(rosen_der(x)) <= 1e-12


def test_a_circle_of_minima_does_no_harm():
    def mexican_hat(t):
        return (t["x"].square().sum() - 4).square() + t["y"].square().sum()

    start = {**at(0.3, 0.1), "y": torch.ones(2, 2, dtype=torch.float64)}
    found = stationary_point(mexican_hat, start, tolerance=1e-14)
    assert found["x"].norm().item() == pytest.approx(2, abs=1e-14)
    assert found["y"].shape == (2, 2)
    assert found["y"].abs().max() < 1e-14


def test_a_hessian_that_is_indefinite_on_the_way_leads_downhill():
    # log cosh is concave in its logarithm: away from 0 the curvature is negative.
    found = stationary_point(lambda t: (1 - 1 / (1 + t["x"].square())).sum(), at(3.0, -5.0))
    np.testing.assert_allclose(found["x"], 0, atol=1e-12)


def test_a_start_at_the_end_stays():
    assert torch.equal(stationary_point(rosenbrock, at(1.0, 1.0))["x"], at(1.0, 1.0)["x"])


def test_no_stationary_point_is_an_error():
    with pytest.raises(RuntimeError, match="gradient must fall to 1e-12, got 1"):
        stationary_point(lambda t: t["x"].sum(), at(0.0), num_steps=3)


def test_refuses_single_precision_and_no_tolerance():
    with pytest.raises(ValueError, match=r"start must be float64, got torch\.float32"):
        stationary_point(rosenbrock, {"x": torch.ones(2)})
    with pytest.raises(ValueError, match="tolerance must be a finite number above 0"):
        stationary_point(rosenbrock, at(0.0, 0.0), tolerance=0.0)
