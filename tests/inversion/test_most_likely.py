"""Descent on the subspace against least squares and against its own slopes."""

import itertools

import numpy as np
import pytest
import torch

from geomlib.inversion.most_likely import most_likely


def toy(seed=0):
    rng = np.random.default_rng(seed)
    Q = rng.normal(size=(12, 3))
    Q /= np.linalg.norm(Q, axis=1, keepdims=True)
    return (torch.tensor(a) for a in (Q, rng.normal(size=(7, 12)), rng.normal(size=(5, 7))))


def test_of_a_linear_map_it_is_ridge_regression():
    Q, H, y = toy()
    found = most_likely(
        lambda s: s @ H.T, y, torch.zeros(5, 12).double(), Q, noise=0.5, num_steps=40
    )
    A = H @ Q
    u = torch.linalg.solve(A.T @ A + 0.25 * torch.eye(3).double(), A.T @ y.T)
    torch.testing.assert_close(found, (Q @ u).T)


def test_of_a_bent_map_it_is_where_differences_find_no_way_down():
    Q, H, y = toy(1)

    def cost(u):
        return (y - torch.tanh(u @ (H @ Q).T)).square().sum(1) / 0.25 + u.square().sum(1)

    found = most_likely(
        lambda s: torch.tanh(s @ H.T).reshape(-1, 7, 1), y, torch.zeros(5, 12).double(), Q,
        noise=0.5, num_steps=60,
    )  # fmt: skip
    u = found @ torch.linalg.pinv(Q).T
    torch.testing.assert_close(u @ Q.T, found)  # on the subspace
    for step in 1e-5 * torch.eye(3).double():
        slope = (cost(u + step) - cost(u - step)) / 2e-5
        assert slope.abs().max() < 1e-3
        assert (cost(u + 100 * step) > cost(u)).all()


def test_a_start_off_the_subspace_is_dropped_onto_it():
    Q, H, y = toy(2)
    on = torch.ones(5, 3).double() @ Q.T
    beside = torch.randn(5, 12, generator=torch.Generator().manual_seed(0)).double()
    off = on + beside - beside @ torch.linalg.pinv(Q).T @ Q.T
    first, second = (
        most_likely(lambda s: s @ H.T, y, start, Q, noise=1.0, num_steps=1)
        for start in (on, off)
    )
    torch.testing.assert_close(first, second)
    assert not first.requires_grad


def test_no_step_goes_up():
    Q, H, y = toy(3)
    start = 3 * torch.ones(5, 3).double() @ Q.T

    def cost(s):
        u = s @ torch.linalg.pinv(Q).T
        return (y - torch.sin(4 * s @ H.T)).square().sum(1) / 0.01 + u.square().sum(1)

    costs = [cost(start)] + [
        cost(most_likely(lambda s: torch.sin(4 * s @ H.T), y, start, Q, noise=0.1,
                         num_steps=k))
        for k in (1, 3, 9)
    ]  # fmt: skip
    for before, after in itertools.pairwise(costs):
        assert (after <= before * (1 + 1e-9)).all()


def test_bad_inputs_are_refused():
    one = torch.eye(1)
    with pytest.raises(ValueError, match="noise must be a finite number above 0"):
        most_likely(lambda s: s, one, one, one, noise=0.0, num_steps=1)
    with pytest.raises(ValueError, match="num_steps must be at least 1"):
        most_likely(lambda s: s, one, one, one, noise=1.0, num_steps=0)
