"""Slopes and bends against finite differences and scipy; the two sides of a kink."""

import numpy as np
import pytest
import scipy.special
import torch

from geomlib.collapse.activations import activation, leaky_relu

NAMES = ["linear", "relu", "softplus", "tanh", "gelu", "swish"]
# No point is within a step of ReLU's kink.
POINTS = torch.linspace(-6, 6, 50, dtype=torch.float64)
FORMULAS = {
    "softplus": lambda s: np.logaddexp(0, s),
    "tanh": np.tanh,
    "gelu": lambda s: s * scipy.special.ndtr(s),
    "swish": lambda s: s * scipy.special.expit(s),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_functions_are_the_textbooks(name):
    found = activation(name).function(POINTS)
    np.testing.assert_allclose(found, FORMULAS[name](POINTS.numpy()), atol=1e-14)


@pytest.mark.parametrize("sigma", [*map(activation, NAMES), leaky_relu(0.3)])
def test_slope_and_bend_are_differences(sigma):
    h = 1e-4
    low, middle, high = (sigma.function(POINTS + e) for e in (-h, 0.0, h))
    np.testing.assert_allclose(sigma.slope(POINTS), (high - low) / (2 * h), atol=1e-8)
    bend = (high - 2 * middle + low) / h**2
    np.testing.assert_allclose(sigma.bend(POINTS), bend, atol=1e-6)


def test_slope_on_the_kink_is_the_left_one():
    sigma = leaky_relu(0.3)
    s = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    assert sigma.slope(s).tolist() == [0.3, 0.3, 1.0]
    assert sigma.gated
    assert not activation("swish").gated


@pytest.mark.parametrize("leak", [1.0, -1.0, 2.0, float("nan")])
def test_refuses_a_leak_without_two_patterns(leak):
    with pytest.raises(ValueError, match="leak must be between -1 and 1, got"):
        leaky_relu(leak)


def test_refuses_an_unknown_name():
    with pytest.raises(
        ValueError, match=r"name must be one of linear, relu, .* got 'mish'"
    ):
        activation.__wrapped__("mish")
