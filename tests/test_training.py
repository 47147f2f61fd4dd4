"""Training: a known minimum, the schedule's closed form, and seeds that decide all."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geomlib import losses
from geomlib.models.encoders import small_cnn
from geomlib.training import minimise, train_on_views


def quadratic(H: Tensor, b: Tensor, x: Tensor) -> Tensor:
    return x @ H @ x / 2 - b @ x


def test_minimise_finds_the_minimum_of_a_quadratic():
    H = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    b = torch.tensor([1.0, -1.0], dtype=torch.float64)
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    history = minimise(lambda: quadratic(H, b, x), [x], num_steps=400, learning_rate=0.05)
    minimum = np.linalg.solve(H.numpy(), b.numpy())
    np.testing.assert_allclose(x.detach(), minimum, atol=1e-5)
    assert history[0] == 0
    assert history[-1].item() == pytest.approx(-b.numpy() @ minimum / 2, abs=1e-8)
    assert len(history) == 400
    assert not history.requires_grad


def test_minimise_decays_the_rate_along_half_a_cosine():
    # The gradient of -x is constant, so Adam moves by its rate; history holds -x before.
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    history = minimise(lambda: -x, [x], num_steps=8, learning_rate=0.3)
    rates = 0.3 * (1 + np.cos(math.pi * np.arange(8) / 8)) / 2
    np.testing.assert_allclose(-history, np.cumsum([0, *rates[:-1]]), atol=1e-7)
    assert x.item() == pytest.approx(rates.sum(), abs=1e-7)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_minimise_names_the_step_at_which_the_loss_left_the_numbers(bad):
    x = torch.zeros((), requires_grad=True)
    factors = iter([1.0, 1.0, bad, 1.0, bad])
    message = rf"loss must stay finite, got {bad} at step 2 of 5\. Lower learning_rate"
    with pytest.raises(FloatingPointError, match=message):
        minimise(lambda: (x + 1) * next(factors), [x], num_steps=5, learning_rate=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0, "learning_rate": 0.1}, "num_steps must be at least 1, got 0"),
        ({"num_steps": 1, "learning_rate": 0.0}, "learning_rate must be .* got 0.0"),
        ({"num_steps": 1, "learning_rate": math.nan}, "learning_rate must be .* got nan"),
    ],
)
def test_minimise_refuses_counts_and_rates_out_of_range(options, message):
    x = torch.zeros((), requires_grad=True)
    with pytest.raises(ValueError, match=message):
        minimise(lambda: x.square(), [x], **options)


@pytest.mark.parametrize("quiet", ["0", "1"])
def test_the_bar_is_silent_when_asked(quiet, monkeypatch):
    monkeypatch.setenv("GEOMLIB_QUIET", quiet)
    shown = []

    def bar(steps: range, *, disable: bool, **_) -> range:
        shown.append(not disable)
        return steps

    monkeypatch.setattr("geomlib.training.tqdm", bar)
    x = torch.zeros((), requires_grad=True)
    _ = minimise(lambda: x.square(), [x], num_steps=1, learning_rate=0.1)
    assert shown == [quiet == "0"]


# Training on views.


def trained(seed: int) -> tuple[nn.Module, Tensor]:
    colours = torch.tensor(np.random.default_rng(0).uniform(size=(64, 3, 1, 1))).float()
    images = colours.expand(64, 3, 8, 8)
    network = small_cnn(in_channels=3, num_features=16, seed=0)
    history = train_on_views(
        network,
        images,
        partial(losses.info_nce, temperature=0.2, critic="distance"),
        num_steps=100,
        batch_size=8,
        learning_rate=0.05,
        seed=seed,
    )
    return network, history


def test_training_lowers_the_loss_and_its_seed_decides_all_of_it():
    state = torch.get_rng_state()
    network, history = trained(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert history[-10:].mean() < history[:10].mean() - 0.2

    torch.manual_seed(99)  # must not matter
    same_network, same_history = trained(seed=2)
    torch.set_rng_state(state)
    assert torch.equal(history, same_history)
    for name, value in network.state_dict().items():
        assert torch.equal(value, same_network.state_dict()[name])
    assert not torch.equal(history, trained(seed=3)[1])


class Brightness(nn.Module):
    """Mean of each image, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.weight * images.mean((1, 2, 3))[:, None]


def test_both_views_are_of_one_batch_drawn_anew_at_each_step():
    # Flat images a factor of ten apart: a view multiplies by 0.6 to 1.4, so its
    # logarithm, rounded, says which image it was.
    images = torch.tensor([1e-3, 1e-2, 1e-1])[:, None, None, None].expand(3, 1, 4, 4)
    batches = []

    def record(first: Tensor, second: Tensor) -> Tensor:
        picks = first.detach().log10().round()
        assert torch.equal(picks, second.detach().log10().round())
        assert not torch.equal(first, second)
        batches.append(picks.flatten().tolist())
        return 0 * (first + second).sum()

    network = Brightness().eval()
    _ = train_on_views(
        network, images, record, num_steps=20, batch_size=5, learning_rate=0.1, seed=0
    )
    assert {pick for batch in batches for pick in batch} == {-3.0, -2.0, -1.0}
    assert len(set(map(tuple, batches))) > 15
    assert network.training


def test_training_refuses_a_batch_of_one():
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1"):
        train_on_views(
            Brightness(),
            torch.zeros(3, 1, 4, 4),
            lambda a, b: (a - b).sum(),
            num_steps=1,
            batch_size=1,
            learning_rate=0.1,
            seed=0,
        )


def test_a_view_of_the_readers_own_is_used_with_the_training_generator():
    images = torch.arange(6.0)[:, None, None, None].expand(6, 1, 4, 4)
    draws = []

    def shifted(batch: Tensor, *, generator: torch.Generator) -> Tensor:
        draws.append(torch.rand((), generator=generator).item())
        return batch + 100

    def record(first: Tensor, second: Tensor) -> Tensor:
        assert first.min() >= 100
        assert torch.equal(first, second)
        return (first - second).sum()

    def once() -> None:
        _ = train_on_views(
            Brightness(),
            images,
            record,
            num_steps=3,
            batch_size=4,
            learning_rate=0.1,
            seed=5,
            view=shifted,
        )

    once()
    once()
    assert len(set(draws)) == 6
    assert draws[:6] == draws[6:]


def test_labels_reach_the_loss_beside_their_images():
    images = torch.tensor([1e-3, 1e-2, 1e-1])[:, None, None, None].expand(3, 1, 4, 4)
    seen = set()

    def record(first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
        picks = first.detach().log10().round().flatten().tolist()
        seen.update(zip(picks, labels.tolist(), strict=True))
        return 0 * (first + second).sum()

    options = {"num_steps": 5, "batch_size": 5, "learning_rate": 0.1, "seed": 0}
    labels = torch.tensor([7, 8, 9])
    _ = train_on_views(Brightness(), images, record, labels=labels, **options)
    assert seen == {(-3.0, 7), (-2.0, 8), (-1.0, 9)}
