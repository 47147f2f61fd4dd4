"""Stacked training, against torch's SGD, run by run, and the laws of scaling."""

import pytest
import torch

from geomlib import losses
from geomlib.simsiam.grid import Configuration, Schedule, train_grid
from geomlib.simsiam.heads import Head, head_outputs, initial_heads

SIZES = {"width": 8, "bottleneck": 4}


def grid(banks, runs, num_steps, batch_size=6, every=1, **others):
    schedule = Schedule(num_steps, batch_size, every, **others)
    return train_grid(banks, runs, schedule, **SIZES)


HEADS = [Head("swish"), Head("linear"), Head("relu", batch_norm=True), Head("gelu")]


def bank(seed, n=12, v=3, d=5):
    draw = torch.Generator().manual_seed(seed)
    content = torch.randn(n, 1, d, generator=draw, dtype=torch.float64)
    noise = torch.randn(n, v, d, generator=draw, dtype=torch.float64)
    return content + 0.3 * noise


BANKS = {seed: bank(seed) for seed in (3, 4)}
GRID = [
    Configuration(head, rate, seed)
    for head in HEADS
    for rate in (0.1, 0.01)
    for seed in BANKS
]


def test_runs_do_not_see_each_other():
    whole = grid(BANKS, GRID, 6)
    for i in (0, 5, 9, 14):
        alone = grid(BANKS, [GRID[i]], 6)
        torch.testing.assert_close(alone.spread[:, 0], whole.spread[:, i])
        torch.testing.assert_close(alone.losses[:, 0], whole.losses[:, i])
        for name, weights in whole.kept[i][6].items():
            torch.testing.assert_close(alone.kept[0][6][name], weights)


def test_one_run_is_torchs_sgd():
    # The whole bank is the batch and has two views, so the order of samples drops out.
    views = bank(3, n=12, v=2)
    run = Configuration(Head("swish"), 0.1, 3, scale=0.5)
    found = grid({3: views}, [run], 5, batch_size=12)
    twin = initial_heads(
        5,
        width=8,
        bottleneck=4,
        generators=[torch.Generator().manual_seed(3)],
        scale=0.5,
        dtype=torch.float64,
    )
    for tensor in twin.values():
        tensor.requires_grad_()
    optimiser = torch.optim.SGD(twin.values(), lr=0.1, momentum=0.9)
    history = []
    for _ in range(6):
        p, z = head_outputs(twin, views.transpose(0, 1)[None], run.head)
        loss = losses.simsiam(p[0, 0], z[0, 0], p[0, 1], z[0, 1])
        history.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert found.losses[:, 0].tolist() == pytest.approx(history, rel=1e-9)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_scale_is_a_rate_for_homogeneous_heads(activation):
    head = Head(activation)
    runs = [
        Configuration(head, 0.05, 3, scale=0.1),
        Configuration(head, 0.05, 3, scale=1.0, projector_rate=100.0),
        Configuration(head, 0.05, 3, scale=1.0),
    ]
    losses = grid(BANKS, runs, 20).losses
    assert float((losses[:, 0] - losses[:, 1]).abs().max()) < 1e-12
    assert float((losses[:, 0] - losses[:, 2]).abs().max()) > 1e-3


def test_each_batch_shows_two_different_views_of_every_sample_once_an_epoch():
    from geomlib.simsiam.grid import _batches

    stream = _batches(12, 3, 6, torch.Generator().manual_seed(0))
    for _ in range(5):
        epoch = torch.cat([next(stream), next(stream)], dim=1)
        sample, view = epoch // 3, epoch % 3
        assert torch.equal(sample[0], sample[1])
        assert sample[0].sort().values.tolist() == list(range(12))
        assert bool((view[0] != view[1]).all())


def test_records_and_kept_steps():
    found = grid(BANKS, GRID[:3], 7, every=5, keep=(0, 3))
    assert found.steps.tolist() == [0, 5, 7]
    assert found.spread.shape == found.losses.shape == (3, 3)
    assert [sorted(heads) for heads in found.kept] == [[0, 3, 7]] * 3
    shorter = grid(BANKS, GRID[:3], 3)
    for run in range(3):
        for name, tensor in shorter.kept[run][3].items():
            torch.testing.assert_close(found.kept[run][3][name], tensor)


def test_a_run_that_diverges_leaves_the_others_alone():
    wild = Configuration(Head("linear"), 1e30, 3)
    found = grid(BANKS, [GRID[0], wild], 4)
    calm = grid(BANKS, [GRID[0]], 4)
    torch.testing.assert_close(found.losses[:, 0], calm.losses[:, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"batch_size": 13}, "number of samples in a bank must be at least 13, got 12"),
        ({"momentum": -0.1}, "momentum must be at least 0"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        grid(BANKS, GRID, **{"num_steps": 2} | change)


@pytest.mark.parametrize(
    ("banks", "message"),
    [
        ({3: bank(3)}, "banks must hold one for each seed, got none for 4"),
        ({3: bank(3), 4: bank(4, d=6)}, "banks must have one shape"),
        ({s: bank(s, v=1) for s in (3, 4)}, "number of views in a bank must be at least 2"),
    ],
)
def test_bad_banks_are_refused(banks, message):
    with pytest.raises(ValueError, match=message):
        grid(banks, GRID, 2)


@pytest.mark.parametrize("name", ["rate", "scale", "projector_rate"])
def test_bad_runs_are_refused(name):
    bad = Configuration(**{"head": Head("relu"), "rate": 0.1, "seed": 3} | {name: 0.0})
    with pytest.raises(
        ValueError, match=f"smallest {name} must be a finite number above 0"
    ):
        grid(BANKS, [GRID[0], bad], 2)
    with pytest.raises(ValueError, match="number of configurations must be at least 1"):
        grid(BANKS, [], 2)
