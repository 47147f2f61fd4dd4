"""The construction for gated heads: five seeds of five, for both heads and both losses."""

import pytest
import torch
from equilibria import LOSSES, collapsed, each_loss, gated

from geomlib.collapse.curvature import backbone_block, odd_curvature, saturation
from geomlib.collapse.gated import gated_equilibrium
from geomlib.collapse.plateau import margin
from geomlib.collapse.views import patterned_views

each_leak = pytest.mark.parametrize("leak", [0.0, 0.2])
each_seed = pytest.mark.parametrize("seed", range(5))


def gradient_norm(network) -> float:
    leaves = {n: p.clone().requires_grad_() for n, p in network.parameters.items()}
    gradients = torch.autograd.grad(network.objective(leaves), list(leaves.values()))
    return sum(g.square().sum() for g in gradients).sqrt().item()


@each_loss
@each_leak
@each_seed
def test_is_an_equilibrium_off_its_kinks_saturated_and_flat(leak, loss, seed):
    network = collapsed(gated(leak, loss, seed), seed)
    assert gradient_norm(network) <= 1e-12
    assert margin(network) >= 0.49
    assert saturation(network).abs().max() <= 1e-12
    assert backbone_block(network).abs().max() <= 1e-20
    found = odd_curvature(network)
    assert found.gauss_newton.abs().max() <= 1e-25
    assert torch.linalg.eigvalsh(found.hessian)[0] >= -1e-11


@each_leak
def test_margin_is_free_and_moves_neither_embeddings_nor_gradient(leak):
    near, far = (gated(leak, "info_nce", 0, margin) for margin in (0.5, 2.0))
    assert margin(near) == pytest.approx(0.5, abs=1e-12)
    assert margin(far) == pytest.approx(2, abs=1e-12)
    gap = near.embeddings(near.parameters) - far.embeddings(far.parameters)
    assert gap.abs().max() < 1e-11
    assert max(gradient_norm(near), gradient_norm(far)) <= 1e-12


def test_loss_is_that_of_the_two_free_maps_and_below_that_of_one():
    # One linear map for both signs is a special case of two.
    two = gated(0.0, "vicreg", 0)
    views = patterned_views(seed=0)
    psi = torch.cat([views, torch.ones_like(views[..., :1])], -1)
    z = two.embeddings(two.parameters).flatten(0, 1)
    positive = views[..., 0].flatten() > 0
    for group in (positive, ~positive):
        rows = psi.flatten(0, 1)[group]
        fitted = rows @ torch.linalg.lstsq(rows, z[group]).solution
        assert (fitted - z[group]).abs().max() < 1e-12
    one = torch.linalg.lstsq(psi.flatten(0, 1), z).solution
    assert LOSSES["vicreg"](*(psi @ one)) > two.objective(two.parameters) + 1e-3


def test_units_of_either_group_are_active_on_one_sign_only():
    network = gated(0.2, "info_nce", 1)
    active = network.pre_activations(network.parameters) > 0  # [2 n 6]
    positive = network.views[..., :1] > 0
    assert torch.equal(active[..., :3], positive.expand(-1, -1, 3))
    assert torch.equal(active[..., 3:], ~positive.expand(-1, -1, 3))


def test_refuses_views_without_patterns_and_a_margin_of_zero():
    with pytest.raises(ValueError, match="margin must be a finite number above 0"):
        gated_equilibrium(patterned_views(seed=0), LOSSES["vicreg"], margin=0.0, seed=0)
    for views in (patterned_views(seed=0).abs(), torch.zeros(2, 8, 3).double()):
        with pytest.raises(ValueError, match="must take both signs and never vanish"):
            gated_equilibrium(views, LOSSES["vicreg"], seed=0)
