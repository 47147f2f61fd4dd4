"""The tracker against dense matrices along a path, and a training run it must not touch."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geomlib.hessian.dense import dense
from geomlib.hessian.lanczos import extreme_eigenpairs
from geomlib.hessian.model import module_loss
from geomlib.hessian.operator import SymmetricOperator, from_matrix, hessian
from geomlib.hessian.tracker import CurvatureTracker
from geomlib.losses import info_nce


def ends(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(matrix)[[0, -1]]


class Training:
    """A small SiLU network with batch norm under InfoNCE, and a fixed probe batch."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 6)
        ).double()
        self.views = torch.randn(2, 40, 6, dtype=torch.float64)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.02, momentum=0.9)
        self.loss, self.at = module_loss(self.model, self.views[:, :24], self.value)

    @staticmethod
    def value(f, views: Tensor) -> Tensor:
        return info_nce(f(views[0]), f(views[1]), temperature=0.5)

    def operator(self) -> SymmetricOperator:
        return hessian(self.loss, self.at)

    def step(self) -> None:
        batch = self.views[:, torch.randperm(40)[:20]]
        self.optimiser.zero_grad()
        self.value(self.model, batch).backward()
        self.optimiser.step()


def test_every_value_is_within_its_bounds_of_the_dense_matrix():
    training = Training()
    tracker = CurvatureTracker(training.operator, rtol=1e-2)
    for step in range(0, 25):
        if step % 6 == 0:
            found = tracker.measure(step)
            truth = torch.linalg.eigvalsh(dense(training.operator()))
            nearest = (found.values[:, None] - truth).abs().amin(dim=1)
            assert (nearest <= found.bounds).all()
            assert ((found.values - truth[[0, -1]]).abs() <= found.rank_bounds).all()
            assert (found.bounds <= 1e-2 * truth.abs().max()).all()
        training.step()
    assert [m.step for m in tracker.history] == [0, 6, 12, 18, 24]
    assert [m.warm for m in tracker.history] == [False, True, True, True, True]
    assert all(m.converged and m.seconds > 0 for m in tracker.history)


def test_measuring_leaves_the_training_run_bitwise_as_it_was():
    plain, tracked = Training(), Training()
    tracker = CurvatureTracker(tracked.operator)
    for training in (plain, tracked):
        torch.manual_seed(1)
        for step in range(8):
            if training is tracked and step % 2 == 0:
                tracker.measure(step)
            training.step()
    other = tracked.model.state_dict()
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, other[name]), name


def path(size: int, num_steps: int) -> list[Tensor]:
    """Matrices with outliers whose eigenvectors turn slowly."""
    rng = np.random.default_rng(0)
    values = torch.cat([torch.linspace(-1, 1, size - 3), torch.tensor([-1.3, 1.2, 1.5])])
    basis = torch.linalg.qr(torch.tensor(rng.normal(size=(size, size)))).Q
    turn = torch.tensor(rng.normal(size=(size, size)))
    turn = torch.matrix_exp(5e-4 * (turn - turn.mT))
    matrices: list[Tensor] = []
    for _ in range(num_steps):
        matrix = basis @ values.double().diag() @ basis.mT
        matrices.append((matrix + matrix.mT) / 2)
        basis = turn @ basis
    return matrices


def test_a_warm_start_saves_products_along_a_slow_path():
    matrices = path(400, 6)
    queue = iter(matrices)
    tracker = CurvatureTracker(lambda: from_matrix(next(queue)), rtol=1e-3)
    warm = cold = 0
    for step, matrix in enumerate(matrices):
        found = tracker.measure(step)
        assert ((found.values - ends(matrix)).abs() <= found.rank_bounds).all()
        if step:
            warm += found.num_matvecs
            alone = extreme_eigenpairs(
                from_matrix(matrix), num_largest=1, num_smallest=1, rtol=1e-3
            )
            cold += alone.num_matvecs
    assert all(m.warm for m in tracker.history[1:])
    assert warm <= 0.9 * cold


def test_negative_curvature_in_a_direction_that_no_start_contains_is_found():
    # The first half of space is all that the first matrix reaches.
    rng = np.random.default_rng(0)
    half = torch.tensor(rng.normal(size=(200, 200)))
    old = torch.zeros(400, 400, dtype=torch.float64)
    old[:200, :200] = (half + half.mT) / 20
    new = old.clone()
    new[300, 300] = -5.0
    queue = iter([old, new])
    tracker = CurvatureTracker(lambda: from_matrix(next(queue)), rtol=1e-3)
    for step, matrix in enumerate((old, new)):
        found = tracker.measure(step)
        np.testing.assert_allclose(found.values, ends(matrix), atol=5e-3)


def test_an_impatient_tracker_falls_back_to_a_cold_start():
    first, second = path(400, 2)
    queue = iter([first, second])
    tracker = CurvatureTracker(
        lambda: from_matrix(next(queue)), rtol=1e-3, patience=0.1, seed=3
    )
    before, after = tracker.measure(0), tracker.measure(1)
    alone = extreme_eigenpairs(
        from_matrix(second), num_largest=1, num_smallest=1, rtol=1e-3, seed=3
    )
    assert not after.warm
    assert after.converged
    assert after.num_matvecs == alone.num_matvecs + before.num_matvecs // 10
    assert torch.equal(after.values, alone.values)


def test_too_small_a_budget_is_reported_not_hidden():
    tracker = CurvatureTracker(lambda: from_matrix(path(400, 1)[0]), max_matvecs=6)
    found = tracker.measure(0)
    assert not found.converged
    assert found.num_matvecs == 6
    assert (found.bounds > 0.01 * 1.5).any()


def test_kept_vectors_are_the_outermost_ritz_vectors():
    matrix = path(300, 1)[0]
    found = extreme_eigenpairs(
        from_matrix(matrix), num_largest=1, num_smallest=1, rtol=1e-3, num_kept=(4, 2)
    )
    gram = found.kept.mT @ found.kept
    np.testing.assert_allclose(gram, np.eye(6), atol=1e-10)
    quotients = (found.kept * (matrix @ found.kept)).sum(dim=0)
    assert torch.equal(quotients, quotients.sort().values)
    np.testing.assert_allclose(quotients[[0, -1]], found.values, atol=1e-10)
    small = from_matrix(torch.tensor([3.0, 1.0, 2.0]).diag())
    all_kept = extreme_eigenpairs(small, num_largest=1, num_smallest=0, num_kept=(2, 9))
    assert all_kept.kept.shape == (3, 3)


def test_refuses_an_operator_of_another_size_and_keeps_the_history():
    queue = iter([torch.eye(5), torch.eye(6)])
    tracker = CurvatureTracker(lambda: from_matrix(next(queue)))
    first = tracker.measure(0)
    with pytest.raises(ValueError, match="operator must keep its size, got 6 after 5"):
        tracker.measure(1)
    assert tracker.history == [first]


def test_refuses_a_patience_that_is_not_positive():
    with pytest.raises(ValueError, match="patience must be a finite number above 0"):
        CurvatureTracker(lambda: from_matrix(torch.eye(2)), patience=0.0)


def test_a_model_that_has_diverged_is_an_error_and_loses_nothing():
    training = Training()
    tracker = CurvatureTracker(training.operator)
    first = tracker.measure(0)
    broken = deepcopy(training.at["0.weight"]) * float("nan")
    training.at["0.weight"].copy_(broken)
    with pytest.raises(ValueError, match="must be finite"):
        tracker.measure(1)
    assert tracker.history == [first]
