"""Arnoldi's rightmost eigenvalue against matrices whose eigenvalues are known."""

import math

import numpy as np
import pytest
import torch

from geomlib.simsiam.field import stop_gradient_field
from geomlib.simsiam.growth import leading_growth


def with_eigenvalues(values, seed=0):
    """A real matrix that is not normal, block by block from real and complex pairs."""
    blocks = []
    for value in values:
        a, b = value.real, value.imag
        blocks.append(np.array([[a]]) if b == 0 else np.array([[a, -b], [b, a]]))
    size = sum(len(block) for block in blocks)
    block_diagonal = np.zeros((size, size))
    at = 0
    for block in blocks:
        block_diagonal[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    basis = np.eye(size) + np.random.default_rng(seed).normal(size=(size, size)) / size
    return torch.tensor(basis @ block_diagonal @ np.linalg.inv(basis))


def spread_out(num, rightmost):
    """Eigenvalues as near a collapse: many strongly stable, a few that grow."""
    stable = [complex(-x, 0) for x in np.linspace(0.05, 4, num)]
    return [*stable, *rightmost]


@pytest.mark.parametrize("dense_size", [200, 20])
@pytest.mark.parametrize("leader", [complex(0.01, 0), complex(0.01, 0.3)])
def test_finds_the_rightmost_eigenvalue_real_or_turning(dense_size, leader):
    A = with_eigenvalues(spread_out(150, [complex(0.004, 0), leader]))
    growth = leading_growth(lambda v: A @ v, len(A), dense_size=dense_size, seed=0)
    assert growth.converged
    assert growth.rate == pytest.approx(leader.real, abs=1e-6)
    assert growth.frequency == pytest.approx(leader.imag, abs=1e-6)
    v = growth.vector
    value = complex(growth.rate, growth.frequency)
    assert float((A.to(v.dtype) @ v - value * v).norm()) <= 1e-6
    assert float(v.norm()) == pytest.approx(1)
    assert (growth.num_matvecs > len(A)) == (dense_size == 200)


def test_agrees_with_a_dense_decomposition_of_a_stop_gradient_field():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(90, 90, generator=generator, dtype=torch.float64)
    field = stop_gradient_field(
        lambda a, b: -(a["x"] @ matrix @ b["x"]),
        {"x": torch.ones(90, dtype=torch.float64)},
    )
    growth = leading_growth(field.matvec, field.size, dense_size=10, num_basis=40, seed=0)
    values = np.linalg.eigvals(matrix.numpy())
    leader = values[values.real.argmax()]
    assert growth.rate == pytest.approx(leader.real, abs=1e-6)
    assert growth.frequency == pytest.approx(abs(leader.imag), abs=1e-6)


def test_is_of_the_right_end_and_not_of_the_largest_size():
    A = torch.diag(torch.tensor([-100.0, -1.0, 0.5]).double())
    assert leading_growth(lambda v: A @ v, 3, seed=0).rate == pytest.approx(0.5)


def test_says_when_it_has_not_converged():
    # A Jordan block is as far from normal as it gets.
    A = torch.diag(torch.ones(299).double(), 1)
    growth = leading_growth(
        lambda v: A @ v, 300, num_basis=6, max_matvecs=12, tolerance=1e-12, seed=0
    )
    assert not growth.converged
    assert math.isnan(growth.rate) or growth.residual > 1e-12


def test_refuses_bad_numbers_and_products():
    for name, bad in [
        ("size", {"size": 0}),
        ("tolerance", {"tolerance": 0.0}),
        ("num_values", {"num_values": 0}),
        ("num_basis", {"num_basis": 4}),
        ("max_matvecs", {"max_matvecs": 10}),
    ]:
        with pytest.raises(ValueError, match=f"{name} must be"):
            leading_growth(lambda v: v, **{"size": 3, "seed": 0, **bad})
    with pytest.raises(ValueError, match="finite numbers, got 3 bad of 3 at product 1"):
        leading_growth(lambda v: v * torch.nan, 3, seed=0)
