"""Batch norm that is undone: same loss, still stationary where saturated, and flat."""

import pytest
import torch
from equilibria import collapsed, each_loss, gated, reduced

from geomlib.collapse.batch_norm import collapsed_block, undone_batch_norm
from geomlib.collapse.curvature import backbone_block


def gradient_norm(objective, at):
    leaves = {n: p.clone().requires_grad_() for n, p in at.items()}
    gradients = torch.autograd.grad(objective(leaves), list(leaves.values()))
    return sum(g.square().sum() for g in gradients).sqrt().item()


@each_loss
@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_a_saturated_equilibrium_stays_one_and_flat(leak, loss):
    network = collapsed(gated(leak, loss, 0), 0)
    objective, at = undone_batch_norm(network)
    before = network.objective(network.parameters).item()
    assert objective(at).item() == pytest.approx(before, rel=1e-12)
    assert gradient_norm(objective, at) <= 1e-11
    assert collapsed_block(objective, at).abs().max() <= 1e-12


def test_an_unsaturated_one_does_not():
    network = collapsed(reduced("swish", "info_nce", 0), 0)
    objective, at = undone_batch_norm(network)
    assert gradient_norm(objective, at) > 1e-4


def test_block_is_that_of_the_mirrored_network_and_of_differences():
    network = collapsed(reduced("swish", "vicreg", 0), 0)
    found = collapsed_block(network.objective, network.parameters)
    torch.testing.assert_close(found, backbone_block(network), rtol=1e-9, atol=1e-12)
    objective, at = undone_batch_norm(network)
    h = 1e-3

    def at_shift(t):
        backbone = at["backbone"].clone()
        backbone[-1, 0] += t
        return objective({**at, "backbone": backbone}).item()

    second = (at_shift(h) - 2 * at_shift(0.0) + at_shift(-h)) / h**2
    assert collapsed_block(objective, at)[0, 0].item() == pytest.approx(second, rel=1e-3)
