"""Stacked descents against each network alone, and the tracked ends against the matrix."""

from functools import partial

import pytest
import torch

from geomlib import losses
from geomlib.collapse.activations import activation
from geomlib.collapse.stacked import Head, effective_ranks, embeddings, representations
from geomlib.collapse.stacked_training import tracked, train
from geomlib.collapse.training_start import collapsed_start
from geomlib.hessian.dense import dense
from geomlib.hessian.operator import hessian

LOSS = partial(losses.info_nce, temperature=0.5)
VIEWS = torch.randn(2, 2, 12, 6, generator=torch.Generator().manual_seed(0)).double()
SIZES = {"num_features": 6, "width": 5, "num_live": 2, "num_units": 4, "num_outputs": 3}
HEAD = Head(activation("swish"), batch_norm=True)


def start(index=slice(None)):
    seeds = [0, 1][index]
    return collapsed_start(VIEWS[index], mirrored=False, seeds=seeds, **SIZES)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_each_network_goes_its_own_way(momentum):
    options = {"num_steps": 20, "rate": 0.1, "momentum": momentum}
    both = train(start(), VIEWS, HEAD, LOSS, **options)
    for index in range(2):
        one = slice(index, index + 1)
        alone = train(start(one), VIEWS[one], HEAD, LOSS, **options)
        for name, p in alone.items():
            torch.testing.assert_close(both[name][one], p)


def test_a_step_is_down_the_gradient_and_the_start_is_kept():
    at, rate, h = start(slice(1)), 0.1, 1e-6
    kept = at["offset"].clone(), at["backbone"].clone()
    end = train(at, VIEWS[:1], HEAD, LOSS, num_steps=1, rate=rate)

    def loss_at(shift):
        moved = {**at, "backbone": at["backbone"] + shift}
        return LOSS(*embeddings(moved, representations(moved, VIEWS[:1]), HEAD)[0])

    step = torch.zeros_like(at["backbone"])
    step[0, 2, 3] = h
    slope = (loss_at(step) - loss_at(-step)) / (2 * h)
    moved = (end["backbone"] - at["backbone"])[0, 2, 3]
    assert moved.item() == pytest.approx(-rate * slope.item(), rel=1e-5)
    assert torch.equal(kept[0], at["offset"])
    assert torch.equal(kept[1], at["backbone"])


def test_a_batch_of_everything_is_no_noise():
    options = {"num_steps": 10, "rate": 0.1}
    plain = train(start(), VIEWS, HEAD, LOSS, **options)
    whole = train(start(), VIEWS, HEAD, LOSS, batch_size=12, **options)
    noisy = train(start(), VIEWS, HEAD, LOSS, batch_size=6, **options)
    torch.testing.assert_close(whole["backbone"], plain["backbone"])
    assert (noisy["backbone"] - plain["backbone"]).abs().max() > 1e-4


@pytest.mark.parametrize("batch_norm", [False, True])
def test_tracked_ends_are_the_matrixs(batch_norm):
    head = Head(activation("swish"), batch_norm)
    one, steps = slice(1), []
    run = tracked(start(one), VIEWS[one], head, LOSS, num_steps=10, rate=0.1, every=5)
    train(
        start(one), VIEWS[one], head, LOSS, num_steps=10, rate=0.1,
        watch=lambda step, p: steps.append({n: x.clone() for n, x in p.items()}),
    )  # fmt: skip

    def objective(p):
        return LOSS(*embeddings(p, representations(p, VIEWS[one]), head)[0])

    assert [m.step for m in run.curvature] == [0, 5, 10]
    for found, ranks, at in zip(run.curvature, run.ranks, steps[::5], strict=True):
        used = {n: p for n, p in at.items() if batch_norm or n != "gains"}
        theta = torch.linalg.eigvalsh(dense(hessian(objective, used)))
        gaps = (found.values[:, None] - theta).abs().amin(dim=1)
        assert (gaps <= found.bounds + 1e-9).all()
        torch.testing.assert_close(ranks, effective_ranks(at, VIEWS[one], head)[0])


def falling(z1, z2):
    """A loss without a lower bound."""
    return -z1.pow(4).sum() - z2.sum()


def test_refuses_rates_and_runs_that_blow_up():
    with pytest.raises(ValueError, match="rate must be a finite number above 0"):
        train(start(), VIEWS, HEAD, LOSS, num_steps=1, rate=0.0)
    head = Head(activation("linear"))
    with pytest.raises(FloatingPointError, match="parameters must stay finite"):
        train(start(), VIEWS, head, falling, num_steps=60, rate=10.0)
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        tracked(start(slice(1)), VIEWS[:1], HEAD, LOSS, num_steps=1, rate=0.1, every=0)
