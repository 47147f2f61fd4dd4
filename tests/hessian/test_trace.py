"""Hutchinson's estimate: exact where it must be, honest about its error elsewhere."""

import pytest
import torch

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


def test_refuses_one_sample():
    with pytest.raises(ValueError, match="num_samples must be at least 2, got 1"):
        trace(from_matrix(torch.eye(2)), num_samples=1, seed=0)
