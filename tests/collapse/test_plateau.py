"""Plateaus: by hand, and where the loss itself first moves."""

import math

import pytest
import torch
from equilibria import collapsed, each_loss, gated, reduced, unit

from geomlib.collapse.activations import leaky_relu
from geomlib.collapse.mirrored import displaced, mirror
from geomlib.collapse.network import Network
from geomlib.collapse.plateau import margin, measured_radius, plateau_radius


def tensor(*x) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def test_radius_by_hand():
    # s = 0.5 phi + 1 = 1.5, 0.5, 1.25, 0.75; c = 2, v = 1:
    # s / (c phi) = 0.75, 0.25, 1.25, 0.75.
    network = Network(
        parameters={
            "backbone": tensor([0.5]),
            "weights": tensor([1.0]),
            "biases": tensor(1.0),
            "outputs": tensor([1.0]),
            "offset": tensor(0.0),
        },
        views=tensor([[1.0], [-1.0]], [[0.5], [-0.5]]),
        loss=lambda z1, z2: z1.square().sum() + z2.sum(),
        activation=leaky_relu(0.0),
    )
    network = mirror(network, tensor(-2.0))
    assert margin(network) == 0.5
    assert plateau_radius(network, tensor(1.0)) == pytest.approx(0.25, rel=1e-15)
    assert plateau_radius(network, tensor(-2.0)) == pytest.approx(0.125, rel=1e-15)


@each_loss
@pytest.mark.parametrize("leak", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_loss_first_moves_at_the_radius(leak, loss, seed):
    network = collapsed(gated(leak, loss, seed), seed)
    v = unit(8, seed)
    expected = plateau_radius(network, v)

    def loss_at(r: float) -> torch.Tensor:
        return network.objective(displaced(network.parameters, r * v))

    found = measured_radius(loss_at, beyond=1.5 * expected)
    assert found == pytest.approx(expected, rel=1e-6)
    here = loss_at(0.0)
    assert all(abs(loss_at(t * expected) - here) < 1e-13 for t in (0.3, 0.9, 0.999))
    # Beyond it grows to first order, before the next unit meets its kink.
    near, far = (abs(loss_at(t * expected) - here) for t in (1 + 1e-5, 1 + 1e-4))
    assert far / near == pytest.approx(10, rel=1e-2)


def test_a_direction_that_no_sample_has_is_flat_for_ever():
    network = collapsed(gated(0.0, "info_nce", 0), 0)
    assert plateau_radius(network, torch.zeros(8).double()) == math.inf


def test_refuses_a_head_without_a_kink_and_a_loss_that_never_moves():
    with pytest.raises(ValueError, match="activation must have a kink, got Swish"):
        plateau_radius(collapsed(reduced("swish", "info_nce", 0), 0), unit(4))
    with pytest.raises(ValueError, match="beyond must lie off the plateau, got 2"):
        measured_radius(lambda _: torch.tensor(1.0), beyond=2.0)
