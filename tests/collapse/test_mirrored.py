"""The reflection, the sectors, and embeddings that do not notice them."""

import numpy as np
import pytest
import torch
from equilibria import LOSSES, collapsed, each_loss, reduced, unit

from geomlib.collapse.activations import activation
from geomlib.collapse.mirrored import (
    displaced,
    mirror,
    odd_norm,
    odd_part,
    reflected,
    refuse_broken_mirror,
    sectors,
    split,
)
from geomlib.collapse.network import random_network
from geomlib.collapse.views import skewed_views
from geomlib.hessian.dense import dense
from geomlib.hessian.operator import hessian
from geomlib.params import flatten, unflatten


def anywhere(seed: int = 0):
    """A network of even width that is not its own reflection."""
    sizes = {"width": 3, "num_units": 4, "num_outputs": 2}
    views = skewed_views(num_samples=9, seed=seed)
    return random_network(
        views, LOSSES["info_nce"], activation("swish"), seed=seed, **sizes
    )


def gradient(network) -> torch.Tensor:
    """By central differences: nothing that the library computes."""
    x = flatten(network.parameters)
    differences = []
    for i in range(len(x)):
        values = []
        for sign in (1, -1):
            moved = x.clone()
            moved[i] += sign * 1e-5
            values.append(network.objective(unflatten(moved, network.parameters)).item())
        differences.append((values[0] - values[1]) / 2e-5)
    return torch.tensor(differences)


@pytest.mark.parametrize("seed", range(3))
def test_reflection_changes_no_embedding_and_undoes_itself(seed):
    network = anywhere(seed)
    image = reflected(network.parameters)
    assert not torch.equal(flatten(image), flatten(network.parameters))
    before, after = (network.embeddings(p) for p in (network.parameters, image))
    np.testing.assert_allclose(after, before, atol=1e-14)
    assert torch.equal(flatten(reflected(image)), flatten(network.parameters))


@pytest.mark.parametrize("seed", range(3))
def test_sectors_are_orthonormal_complete_and_odd_and_even(seed):
    network = anywhere(seed)
    odd, even = sectors(network.parameters)
    whole = torch.cat([odd, even], 1)
    np.testing.assert_allclose(whole.mT @ whole, np.eye(whole.shape[0]), atol=1e-15)
    # Odd: u's row (4), and of 2 pairs the live weights (2), u-weight, bias, output (2).
    assert odd.shape[1] == 4 + 2 * (2 + 1 + 1 + 2)
    for basis, sign in ((odd, -1), (even, 1)):
        images = [
            flatten(reflected(unflatten(row, network.parameters))) for row in basis.mT
        ]
        np.testing.assert_allclose(torch.stack(images), sign * basis.mT, atol=1e-15)
    x = flatten(network.parameters)
    np.testing.assert_allclose(
        flatten(odd_part(network.parameters)), odd @ (odd.mT @ x), atol=1e-15
    )
    assert odd_norm(network.parameters).item() == pytest.approx((odd.mT @ x).norm().item())


def test_odd_norms_of_many_networks_are_their_own():
    nets = [anywhere(seed) for seed in range(3)]
    stacked = {
        n: torch.stack([net.parameters[n] for net in nets]) for n in nets[0].parameters
    }
    expected = torch.stack([odd_norm(net.parameters) for net in nets])
    np.testing.assert_allclose(odd_norm(stacked), expected)


@each_loss
@pytest.mark.parametrize("name", ["swish", "linear"])
def test_mirror_and_split_keep_embeddings_penalty_and_stationarity(name, loss):
    network = reduced(name, loss, 0)
    doubled = split(network, torch.tensor([-0.7, 1.4], dtype=torch.float64))
    before = network.embeddings(network.parameters)
    for made in (mirror(network, unit(2)), doubled, mirror(doubled, unit(4))):
        np.testing.assert_allclose(made.embeddings(made.parameters), before, atol=1e-13)
        objective = made.objective(made.parameters).item()
        assert objective == pytest.approx(network.objective(network.parameters).item())
        assert gradient(made).norm() < 1e-7
    refuse_broken_mirror(mirror(doubled, unit(4)).parameters)


@each_loss
def test_hessian_of_a_mirrored_network_does_not_mix_the_sectors(loss):
    # Not at an equilibrium: symmetry is enough.
    network = collapsed(anywhere(1), 0)
    H = dense(hessian(network.objective, network.parameters))
    odd, even = sectors(network.parameters)
    assert (odd.mT @ H @ even).abs().max() < 1e-14
    assert (odd.mT @ H @ odd).abs().max() > 1e-3


def test_penalty_has_no_curvature_in_the_odd_sector():
    network = collapsed(reduced("gelu", "info_nce", 0), 0)
    H = dense(hessian(network.penalty, network.parameters))
    odd, even = sectors(network.parameters)
    np.testing.assert_allclose(odd.mT @ H @ odd, 0, atol=1e-18)
    assert (even.mT @ H @ even).diagonal().max() > 1e-4


def test_displaced_moves_u_alone_and_copies():
    network = collapsed(anywhere(), 0)
    moved = displaced(network.parameters, unit(4))
    assert torch.equal(moved["backbone"][-1], unit(4))
    assert torch.equal(moved["backbone"][:-1], network.parameters["backbone"][:-1])
    assert network.parameters["backbone"][-1].abs().max() == 0
    assert odd_norm(moved).item() == pytest.approx(1)


def test_refuses_a_broken_mirror():
    network = collapsed(anywhere(), 0)
    moved = displaced(network.parameters, 1e-3 * unit(4))
    with pytest.raises(ValueError, match="must be their own reflection, got entries that"):
        refuse_broken_mirror(moved)
    with pytest.raises(ValueError, match="number of hidden units must be even, got 3"):
        refuse_broken_mirror({**moved, "biases": torch.zeros(3)})


@pytest.mark.parametrize("make", [mirror, split])
def test_refuses_a_vector_of_another_length(make):
    with pytest.raises(
        ValueError, match=r"one entry for each of 4 hidden units, got shape"
    ):
        make(anywhere(), unit(3))
