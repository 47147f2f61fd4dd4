"""Hutchinson's estimate: exact where it must be, honest about its error elsewhere."""

from dataclasses import replace

import pytest
import torch

from geomlib.hessian.known import from_spectrum
from geomlib.hessian.operator import from_matrix
from geomlib.hessian.trace import trace


def symmetric(seed: int, size: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return matrix + matrix.mT


def test_a_diagonal_matrix_needs_no_luck():
    found = trace(from_matrix(torch.tensor([1.0, -2.0, 5.0]).diag()), num_samples=2, seed=0)
    assert found.value == pytest.approx(4.0)
    assert found.standard_error == pytest.approx(0.0, abs=1e-6)
    assert found.num_matvecs == 2


def test_standard_error_is_that_of_the_formula():
    matrix = symmetric(1)
    found = trace(from_matrix(matrix), num_samples=4000, seed=3)
    off = matrix - matrix.diagonal().diag()
    expected = float((2 * off.square().sum() / 4000).sqrt())
    assert found.standard_error == pytest.approx(expected, rel=0.1)
    assert abs(found.value - float(matrix.trace())) < 4 * expected


def test_seed_decides_and_global_state_stays():
    operator, before = from_matrix(symmetric(2)), torch.get_rng_state()
    first, again, other = (trace(operator, num_samples=5, seed=s).value for s in (1, 1, 2))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())


def test_mean_over_many_seeds_is_the_trace_and_errors_cover_it():
    matrix = symmetric(4)
    operator, truth = from_matrix(matrix), float(matrix.trace())
    runs = [trace(operator, num_samples=30, seed=seed) for seed in range(200)]
    scores = torch.tensor([(run.value - truth) / run.standard_error for run in runs])
    # Student's t with 29 degrees of freedom: 95 % within 2.05.
    assert 0.90 <= float((scores.abs() < 2.05).double().mean()) <= 0.99
    assert abs(float(scores.mean())) < 4 / 200**0.5


@pytest.mark.parametrize("block_size", [1, 3, 7, 100])
def test_blocks_change_nothing_but_rounding(block_size):
    operator = from_matrix(symmetric(5))
    one = trace(operator, num_samples=20, seed=0)
    other = trace(operator, num_samples=20, seed=0, block_size=block_size)
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-9)
    assert other.num_matvecs == 20


def test_float32_sums_are_taken_in_float64():
    # A million entries of 1 and one of 1e-3: a float32 sum would lose the last.
    n = 2**20
    diagonal = torch.ones(n)
    diagonal[0] = 1e-3
    found = trace(from_spectrum(diagonal, num_reflections=0), num_samples=2, seed=0)
    assert found.value == pytest.approx(n - 1 + 1e-3, rel=1e-12)


def test_refuses_products_that_are_not_finite():
    sound = from_matrix(torch.eye(3))
    broken = replace(sound, matmat=lambda v: float("nan") * v)
    with pytest.raises(ValueError, match="products of the operator must be finite"):
        trace(broken, num_samples=2, seed=0)
    with pytest.raises(ValueError, match="block_size must be at least 1, got 0"):
        trace(sound, num_samples=2, seed=0, block_size=0)


def test_refuses_one_sample():
    with pytest.raises(ValueError, match="num_samples must be at least 2, got 1"):
        trace(from_matrix(torch.eye(2)), num_samples=1, seed=0)
