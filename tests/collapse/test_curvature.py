"""Curvature by hand, by differences and by the formula, each against the other."""

import math

import numpy as np
import pytest
import torch
from equilibria import collapsed, each_loss, gated, reduced, unit, weights_on_u

from geomlib.collapse.activations import activation
from geomlib.collapse.curvature import (
    backbone_block,
    odd_curvature,
    saturation,
    unit_curvatures,
)
from geomlib.collapse.mirrored import displaced, mirror, sectors, split
from geomlib.collapse.network import Network
from geomlib.params import flatten, unflatten

SMOOTH = ["softplus", "tanh", "gelu", "swish"]
SEEDS = range(2)


def tensor(*x) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def two_units() -> Network:
    """One input, one live direction, one pair of tanh units; the loss is linear in z.

    Two samples with inputs 1 and -2, the second view half as much; G = 3, -1, 2, 0.5.
    """
    reduced = Network(
        parameters={
            "backbone": tensor([0.5]),
            "weights": tensor([2.0]),
            "biases": tensor(0.25),
            "outputs": tensor([1.5]),
            "offset": tensor(0.0),
        },
        views=tensor([[1.0], [-2.0]], [[0.5], [-1.0]]),
        loss=lambda z1, z2: 3 * z1[0, 0] - z1[1, 0] + 2 * z2[0, 0] + z2[1, 0] / 2,
        activation=activation("tanh"),
    )
    return mirror(reduced, tensor(0.8))


def test_two_units_by_hand():
    network = two_units()
    c, a = 0.8, 0.75
    block, N = 0.0, np.zeros(2)
    odd = np.zeros((5, 5))  # v, gamma, beta, bias, alpha, a unit change of both members
    for phi, G in ((1.0, 3.0), (-2.0, -1.0), (0.5, 2.0), (-1.0, 0.5)):
        h = 0.5 * phi
        s = 2 * h + 0.25
        slope = 1 - math.tanh(s) ** 2
        bend = -2 * math.tanh(s) * slope
        block += c**2 * 2 * a * G * bend * phi**2
        N += slope * G * np.array([phi, 1])
        delta = np.array([c * phi, 0, h, 1, 0])
        q, gamma, alpha = phi * np.eye(5)[0], np.eye(5)[1], np.eye(5)[4]
        odd += 2 * a * G * bend * np.outer(delta, delta)
        for x, y in ((a * G * slope * gamma, q), (G * slope * alpha, delta)):
            odd += 2 * (np.outer(x, y) + np.outer(y, x))
    assert backbone_block(network).item() == pytest.approx(block, rel=1e-13)
    assert unit_curvatures(network).item() == pytest.approx(block / c**2, rel=1e-13)
    np.testing.assert_allclose(saturation(network)[0, 0], N, rtol=1e-13)
    # An orthonormal direction moves each member of a pair by 1 / sqrt(2).
    scale = np.array([1, *[math.sqrt(0.5)] * 4])
    expected = np.linalg.eigvalsh(odd * np.outer(scale, scale))
    found = torch.linalg.eigvalsh(odd_curvature(network).hessian)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@each_loss
@pytest.mark.parametrize("name", ["linear", *SMOOTH])
@pytest.mark.parametrize("seed", SEEDS)
def test_three_terms_add_up_to_the_hessian_and_nothing_is_gauss_newton(name, loss, seed):
    network = collapsed(reduced(name, loss, seed), seed)
    found = odd_curvature(network)
    total = found.bend + found.weight_cross + found.output_cross
    assert (found.hessian - total).abs().max() <= 1e-10
    assert found.gauss_newton.abs().max() <= 1e-25


def test_three_terms_add_up_for_a_gated_head_away_from_saturation():
    network = gated(0.2, "vicreg", 0)
    moved = {
        n: p + 0.01 * unit(p.numel()).view(p.shape) for n, p in network.parameters.items()
    }
    network = collapsed(Network(moved, network.views, network.loss, network.activation), 0)
    found = odd_curvature(network)
    assert found.bend.abs().max() == 0
    assert found.hessian.abs().max() > 1e-3
    total = found.weight_cross + found.output_cross
    np.testing.assert_allclose(found.hessian, total, atol=1e-10)


@each_loss
def test_odd_hessian_is_the_second_difference_of_the_objective(loss):
    network = collapsed(reduced("swish", loss, 0), 0)
    odd, _ = sectors(network.parameters)
    x, h = flatten(network.parameters), 1e-3
    for seed in range(3):
        coefficients = unit(odd.shape[1], seed)
        eta = odd @ coefficients

        def at(t: float, eta: torch.Tensor = eta) -> float:
            return network.objective(unflatten(x + t * eta, network.parameters)).item()

        # Fourth-order differences; even, so one side is enough.
        second = (-at(2 * h) + 16 * at(h) - 15 * at(0.0)) / (6 * h**2)
        expected = (coefficients @ odd_curvature(network).hessian @ coefficients).item()
        assert second == pytest.approx(expected, abs=1e-5)


@each_loss
@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("seed", SEEDS)
def test_backbone_block_is_the_units_curvatures_weighed_by_c(name, loss, seed):
    network = collapsed(reduced(name, loss, seed), seed)
    c = weights_on_u(reduced(name, loss, seed), seed)
    S = unit_curvatures(network)
    expected = np.einsum("j,jde->de", c.numpy() ** 2, S.numpy())
    np.testing.assert_allclose(backbone_block(network), expected, atol=1e-12)
    assert S.abs().max() > 1e-4


@each_loss
@pytest.mark.parametrize("seed", SEEDS)
def test_backbone_block_of_a_linear_head_is_zero_and_the_loss_constant(loss, seed):
    network = collapsed(reduced("linear", loss, seed), seed)
    assert backbone_block(network).abs().max() < 1e-12
    far = network.objective(displaced(network.parameters, 100 * unit(4)))
    here = network.objective(network.parameters)
    assert far.item() == pytest.approx(here.item(), rel=1e-12)


@each_loss
@pytest.mark.parametrize("seed", range(5))
def test_swish_is_negative_for_some_c_or_a_signed_split(loss, seed):
    network = reduced("swish", loss, seed)
    S = torch.linalg.eigvalsh(unit_curvatures(mirror(network, unit(2))))  # [2 d]
    # The best c of unit length is on one unit alone.
    best = mirror(network, torch.eye(2).double()[S[:, 0].argmin()])
    found = torch.linalg.eigvalsh(backbone_block(best))[0]
    assert found.item() == pytest.approx(S[:, 0].min().item(), abs=1e-12)
    # A copy with a share of -1 has -S.
    steepest = S[:, -1].argmax()
    shares = torch.ones(2).double()
    shares[steepest] = -1.0
    c = torch.zeros(4).double()
    c[steepest] = 1
    signed = mirror(split(network, shares), c)
    found_signed = torch.linalg.eigvalsh(backbone_block(signed))[0]
    assert found_signed.item() == pytest.approx(-S[steepest, -1].item(), abs=1e-12)
    assert min(found, found_signed) < -1e-3


def test_refuses_a_network_that_is_not_mirrored():
    network = collapsed(reduced("swish", "info_nce", 0), 0)
    moved = Network(
        displaced(network.parameters, unit(4)),
        network.views,
        network.loss,
        network.activation,
    )
    for quantity in (odd_curvature, backbone_block, unit_curvatures, saturation):
        with pytest.raises(ValueError, match="must be their own reflection"):
            quantity(moved)
