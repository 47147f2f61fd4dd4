"""Descents against torch's own SGD, one by one, and exponents against the Hessian."""

import math

import numpy as np
import pytest
import torch
from equilibria import collapsed, gated, reduced

from geomlib.collapse.curvature import odd_curvature
from geomlib.collapse.descent import Descent, descend
from geomlib.collapse.mirrored import odd_norm
from geomlib.hessian.lanczos import extreme_eigenpairs
from geomlib.hessian.operator import hessian


def tensor(*x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def edge(network) -> float:
    """Largest stable rate of plain descent."""
    operator = hessian(network.objective, network.parameters)
    ends = extreme_eigenpairs(operator, num_largest=1, num_smallest=0)
    return 2 / ends.values.item()


def swish():
    return collapsed(reduced("swish", "info_nce", 1), 1)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_exponent_of_plain_descent_is_that_of_the_most_negative_curvature(momentum):
    network = swish()
    lowest = torch.linalg.eigvalsh(odd_curvature(network).hessian)[0].item()
    rate = 0.5 * edge(network)
    found = descend(
        network,
        rates=tensor(rate),
        num_steps=1500,
        momentum=momentum,
        odd_size=1e-9,
        threshold=1e-4,
        seed=0,
    )
    # Heavy ball: growth r with r^2 - (1 + momentum - rate lowest) r + momentum = 0.
    growth = max(np.roots([1, -(1 + momentum - rate * lowest), momentum]).real)
    exponent = found.exponents(burn_in=0.5).item()
    assert exponent == pytest.approx(math.log(growth), rel=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_runs_are_those_of_torchs_sgd_one_by_one(momentum):
    network = swish()
    rates, num_steps = edge(network) * tensor(0.05, 0.2), 40
    found = descend(
        network, rates=rates, num_steps=num_steps, momentum=momentum, odd_size=0.01, seed=3
    )
    # The start is found again from the seed, by the same draw.
    generator = torch.Generator().manual_seed(3)
    drawn = {
        name: torch.randn(1, *p.shape, generator=generator, dtype=p.dtype)[0]
        for name, p in network.parameters.items()
    }
    half = len(drawn["biases"]) // 2
    odd = {
        "backbone": torch.cat([0 * drawn["backbone"][:-1], drawn["backbone"][-1:]]),
        "weights": (drawn["weights"] - drawn["weights"].roll(half, 0)) / 2,
        "biases": (drawn["biases"] - drawn["biases"].roll(half)) / 2,
        "outputs": (drawn["outputs"] - drawn["outputs"].roll(half, 1)) / 2,
        "offset": 0 * drawn["offset"],
    }
    u = drawn["weights"][:, -1]
    odd["weights"][:, -1] = (u + u.roll(half)) / 2
    norm = sum(p.square().sum() for p in odd.values()).sqrt()
    for k, rate in enumerate(rates.tolist()):
        leaves = {
            name: (p + 0.01 * odd[name] / norm).requires_grad_()
            for name, p in network.parameters.items()
        }
        optimiser = torch.optim.SGD(leaves.values(), lr=rate, momentum=momentum)
        path = []
        for _ in range(num_steps + 1):
            path.append(odd_norm(leaves).item())
            optimiser.zero_grad()
            network.objective(leaves).backward()
            optimiser.step()
        np.testing.assert_allclose(found.distances[:, k, 0], path, rtol=1e-9)


def test_a_batch_of_everything_is_no_noise_and_rates_share_their_noise():
    network = swish()
    rate = 0.1 * edge(network)
    rates = tensor(rate, rate)
    options = {"rates": rates, "num_steps": 20, "num_replicates": 2, "seed": 0}
    whole = descend(network, batch_size=48, **options)
    plain = descend(network, **options)
    np.testing.assert_allclose(whole.distances, plain.distances, rtol=1e-7)
    noisy = descend(network, batch_size=16, **options)
    assert torch.equal(noisy.distances[:, 0], noisy.distances[:, 1])
    assert (noisy.distances[-1, 0, 0] / noisy.distances[-1, 0, 1] - 1).abs() > 1e-6
    again = descend(network, batch_size=16, **options)
    assert torch.equal(noisy.distances, again.distances)


def test_pinned_runs_move_in_the_odd_sector_alone():
    # At full batch and a small odd part both are the same to first order; with
    # minibatches only the pinned run keeps its pre-activations.
    network = collapsed(gated(0.0, "info_nce", 0), 0)
    options = {"rates": tensor(0.05 * edge(network)), "num_steps": 50, "seed": 0}
    free = descend(network, batch_size=16, **options)
    pinned = descend(network, batch_size=16, pinned=True, **options)
    assert pinned.margins[-1].item() == pytest.approx(0.5, abs=1e-4)
    assert abs(free.margins[-1].item() - 0.5) > 1e-3


@pytest.mark.parametrize("loss", ["info_nce", "vicreg"])
def test_noise_neither_frees_nor_attracts_a_gated_head_that_keeps_its_margin(loss):
    network = collapsed(gated(0.0, loss, 0, 2.0), 0)
    found = descend(
        network,
        rates=edge(network) * tensor(0.02, 0.05),
        num_steps=1000,
        batch_size=16,
        num_replicates=8,
        seed=0,
    )
    assert found.flips.max() == 0
    assert found.margins.min() > 1
    assert found.exponents(burn_in=0.25).mean(1).abs().max() <= 5e-6


@pytest.mark.slow
def test_flipping_gates_free_a_gated_head_and_frozen_ones_do_not():
    network = collapsed(gated(0.0, "vicreg", 1), 1)
    runs = {
        frozen: descend(
            network,
            rates=0.8 * edge(network) * tensor(1.0),
            num_steps=1200,
            batch_size=16,
            num_replicates=6,
            frozen_gates=frozen,
            odd_size=1e-2,
            seed=0,
        )
        for frozen in (False, True)
    }
    assert runs[False].flips.max() > 0
    assert runs[False].exponents().mean() > 10 * runs[True].exponents().abs().mean()


def test_frozen_gates_change_nothing_until_a_gate_flips():
    network = collapsed(gated(0.2, "vicreg", 0), 0)
    options = {"rates": tensor(0.05 * edge(network)), "num_steps": 30, "seed": 0}
    free, frozen = (
        descend(network, batch_size=16, frozen_gates=flag, **options)
        for flag in (False, True)
    )
    assert free.flips.max() == 0
    np.testing.assert_allclose(free.distances, frozen.distances, rtol=1e-9)


def test_a_rate_past_the_edge_is_reported_beside_one_that_is_not():
    network = collapsed(gated(0.0, "info_nce", 0), 0)
    rates = edge(network) * tensor(0.1, 20.0)
    found = descend(network, rates=rates, num_steps=100, threshold=1e300, seed=0)
    assert found.diverged[:, 0].tolist() == [False, True]
    assert found.exponents()[:, 0].isnan().tolist() == [False, True]
    assert not found.left.any()


def test_exponents_of_a_run_that_left_end_where_it_left():
    growth = torch.tensor([1e-3, 1e-2, 0.1, 0.1, 0.1]).double().view(5, 1, 1)
    steps = torch.arange(0, 50, 10)
    yes, no = torch.tensor([[True]]), torch.tensor([[False]])
    left = Descent(steps, growth, 0 * growth, growth, yes, no)
    assert left.exponents().item() == pytest.approx(math.log(100) / 20)
    assert left.exponents(burn_in=0.5).item() == pytest.approx(math.log(10) / 10)
    stayed = Descent(steps, growth, 0 * growth, growth, no, no)
    assert stayed.exponents().item() == pytest.approx(math.log(100) / 40)
    with pytest.raises(ValueError, match="burn_in must be at least 0 and below 1, got 1"):
        stayed.exponents(burn_in=1.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"rates": tensor(0.0)}, "smallest rate must be a finite number above 0"),
        ({"rates": tensor()}, "number of rates must be at least 1, got 0"),
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"batch_size": 49}, "batch_size must be from 2 to .* samples, 48, got 49"),
        ({"num_replicates": 0}, "num_replicates must be at least 1, got 0"),
        ({"odd_size": 1.0}, "threshold less odd_size must be a finite number above 0"),
        ({"frozen_gates": True}, "frozen_gates needs an activation .* got Swish"),
    ],
)
def test_refuses(bad, message):
    options = {"rates": tensor(0.1), "num_steps": 2, "seed": 0, **bad}
    with pytest.raises(ValueError, match=message):
        descend(swish(), **options)
