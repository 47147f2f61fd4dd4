"""Training in pieces against training in one piece."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from geomlib.inversion.resumable import kept_in, seeded, train


class Toy:
    """Least squares with Adam on batches drawn from the step's number."""

    def __init__(self):
        self.net = nn.Linear(3, 1)
        nn.init.ones_(self.net.weight)
        nn.init.zeros_(self.net.bias)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=0.1)
        self.steps = []

    def step(self, i):
        self.steps.append(i)
        x = torch.randn(8, 3, generator=seeded(0, i))
        self.optimiser.zero_grad()
        (self.net(x) - x.sum(1, keepdim=True) * 2).square().mean().backward()
        self.optimiser.step()

    def train(self, num_steps, path, save_every=1000):
        parts = {"net": self.net, "optimiser": self.optimiser}
        train(self.step, parts, num_steps=num_steps, path=path, save_every=save_every)
        return self.net.state_dict()


def test_pieces_end_where_one_piece_does(tmp_path):
    whole = Toy().train(25, None)
    path = tmp_path / "toy.npz"
    Toy().train(10, path)
    second = Toy()
    resumed = second.train(25, path)
    assert second.steps == list(range(10, 25))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    third = Toy()
    again = third.train(25, path)
    assert third.steps == []
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_training_that_is_stopped_goes_on_from_the_last_writing(tmp_path):
    path = tmp_path / "toy.npz"
    stopped = Toy()
    inner = stopped.step

    def step(i):
        if i == 17:
            raise KeyboardInterrupt
        inner(i)

    stopped.step = step
    with pytest.raises(KeyboardInterrupt):
        stopped.train(25, path, save_every=5)
    second = Toy()
    resumed = second.train(25, path)
    assert second.steps[0] == 15
    whole = Toy().train(25, None)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert [p.name for p in tmp_path.iterdir()] == ["toy.npz"]


def test_a_file_of_other_parts_is_refused(tmp_path):
    path = tmp_path / "toy.npz"
    Toy().train(2, path)
    toy = Toy()
    with pytest.raises(ValueError, match="must hold other, got also 'net'"):
        train(toy.step, {"other": toy.net}, num_steps=3, path=path)
    np.savez(path, done=np.array([None]))  # an array of objects is a pickle
    with pytest.raises(ValueError, match="must hold plain arrays"):
        Toy().train(3, path)


def test_settings_name_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path))
    assert kept_in("gan", 1, 2).parent == tmp_path / "inversion"
    assert kept_in("gan", 1, 2) == kept_in("gan", 1, 2) != kept_in("gan", 1, 3)


def test_a_schedule_goes_on_where_it_stopped(tmp_path):
    def train_toy(num_steps, path):
        toy = Toy()
        schedule = OneCycleLR(toy.optimiser, 0.3, total_steps=25, cycle_momentum=False)
        rates = []

        def step(i):
            rates.append(toy.optimiser.param_groups[0]["lr"])
            toy.step(i)
            schedule.step()

        parts = {"net": toy.net, "optimiser": toy.optimiser, "schedule": schedule}
        train(step, parts, num_steps=num_steps, path=path)
        return rates, toy.net.state_dict()

    rates, whole = train_toy(25, None)
    path = tmp_path / "toy.npz"
    first, _ = train_toy(10, path)
    second, resumed = train_toy(25, path)
    assert first + second == rates
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="num_steps must be at least 1"):
        Toy().train(0, None)
