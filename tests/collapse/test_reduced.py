"""Equilibria of smooth heads: stationary by differences, minima, and saturated or not."""

import pytest
import torch
from equilibria import LOSSES, collapsed, each_loss, reduced

from geomlib.collapse.activations import activation, leaky_relu
from geomlib.collapse.curvature import odd_curvature, saturation
from geomlib.collapse.reduced import reduced_equilibrium
from geomlib.collapse.views import skewed_views
from geomlib.hessian.dense import dense
from geomlib.hessian.operator import hessian


@each_loss
@pytest.mark.parametrize("name", ["linear", "softplus", "tanh", "gelu", "swish"])
def test_is_a_local_minimum(name, loss):
    network = reduced(name, loss, 0)
    leaves = {n: p.clone().requires_grad_() for n, p in network.parameters.items()}
    gradients = torch.autograd.grad(network.objective(leaves), list(leaves.values()))
    assert sum(g.square().sum() for g in gradients).sqrt() <= 1e-12
    theta = torch.linalg.eigvalsh(dense(hessian(network.objective, network.parameters)))
    assert theta[0] >= -1e-10 * theta[-1]


@each_loss
def test_objective_is_the_loss_plus_the_ridge(loss):
    network = reduced("swish", loss, 0)
    squares = sum((p.numpy() ** 2).sum() for p in network.parameters.values())
    expected = network.loss(*network.embeddings(network.parameters)) + 5e-4 * squares
    assert network.objective(network.parameters).item() == pytest.approx(expected.item())


def narrow(loss: str, seed: int):
    """A linear head on one live direction, of two outputs."""
    views, sigma = skewed_views(seed=seed), activation("linear")
    return reduced_equilibrium(views, LOSSES[loss], sigma, width=1, ridge=0.0, seed=seed)


@each_loss
@pytest.mark.parametrize("seed", range(3))
def test_linear_head_is_saturated_if_it_is_wide_enough(loss, seed):
    wide = collapsed(reduced("linear", loss, seed), seed)
    assert saturation(wide).abs().max() <= 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_narrow_linear_head_is_a_strict_saddle_through_the_cross_terms(seed):
    network = collapsed(narrow("info_nce", seed), seed)
    assert saturation(network).abs().max() > 1e-3
    assert torch.linalg.eigvalsh(odd_curvature(network).hessian)[0] < -1e-3


@pytest.mark.parametrize("seed", range(3))
def test_narrow_linear_head_is_saturated_under_vicreg(seed):
    # Both outputs carry one signal, equally strong: the gradient G then is along the one
    # output direction there is, in which the head itself has made it vanish.
    network = narrow("vicreg", seed)
    z = network.embeddings(network.parameters).flatten(0, 1)
    first, second = (z - z.mean(0)).mT
    assert min((first - second).norm(), (first + second).norm()) < 1e-10
    assert saturation(collapsed(network, seed)).abs().max() <= 1e-12


def test_refuses_a_kink_and_a_negative_ridge():
    views = skewed_views(seed=0)
    with pytest.raises(ValueError, match="activation must be smooth, got ReLU"):
        reduced_equilibrium(views, LOSSES["vicreg"], leaky_relu(0.0), seed=0)
    with pytest.raises(ValueError, match="ridge must be at least 0, got -1"):
        reduced_equilibrium(views, LOSSES["vicreg"], activation("tanh"), ridge=-1.0, seed=0)
