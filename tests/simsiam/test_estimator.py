"""The published estimator, against numpy's eigenvalues and its own algebra."""

import pytest
import torch

from geomlib.simsiam.estimator import published_estimate

# Spectrum of a random symmetric matrix of known ends.
VALUES = torch.tensor([3.0, 1.0, 0.5, 0.2, 0.0, -0.5, -1.5], dtype=torch.float64)


def matrix(scale=1.0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(3)
    size = len(VALUES)
    Q = torch.linalg.qr(torch.randn(size, size, generator=draw, dtype=torch.float64)).Q
    return (scale * (Q * VALUES) @ Q.T).to(dtype)


def estimate(A, **others):
    return published_estimate(lambda v: A @ v, len(A), dtype=A.dtype, seed=1, **others)


def test_it_converges_to_the_smallest_eigenvalue():
    found = estimate(matrix(), num_steps=200)
    assert found.smallest == pytest.approx(-1.5, abs=1e-6)
    assert float(found.first[-1]) == pytest.approx(3.0, abs=1e-6)


def test_a_few_steps_are_the_power_method_by_hand():
    A = matrix()
    found = estimate(A, num_steps=2, floor=0.0)
    draw = torch.Generator().manual_seed(1)
    v = torch.randn(len(A), generator=draw, dtype=torch.float64)
    # Two steps from v are A^2 v, whose Rayleigh quotient is the shift.
    w = A @ A @ v
    mu = (w @ A @ w) / (w @ w)
    assert float(found.first[-1]) == pytest.approx(float(mu))
    B = A - mu * torch.eye(len(A))
    w = B @ B @ torch.randn(len(A), generator=draw, dtype=torch.float64)
    assert found.smallest == pytest.approx(float((w @ A @ w) / (w @ w)))


def test_too_few_steps_have_not_converged_whatever_the_scale():
    # Without the floor the error is the same at each scale: non-convergence alone.
    relative = [
        estimate(matrix(scale), num_steps=3, floor=0.0).smallest / scale
        for scale in (1.0, 1e-8, 1e-12)
    ]
    assert relative == pytest.approx([relative[0]] * 3, rel=1e-6)
    assert abs(relative[0] + 1.5) > 0.01


def test_the_floor_makes_small_matrices_vanish():
    # At norm N a step multiplies the length by N / (N + 1e-8).
    assert estimate(matrix(), num_steps=50).smallest == pytest.approx(-1.5, rel=1e-2)
    tiny = estimate(matrix(1e-10, torch.float32))
    assert tiny.smallest == 0.0
    assert float(tiny.norms[1]) < float(tiny.norms[0]) < 0.1
    assert estimate(matrix(1e-10), floor=0.0, num_steps=200).smallest == pytest.approx(
        -1.5e-10, rel=1e-6
    )


def test_same_seed_gives_the_same_estimate_in_each_precision():
    double, single = (
        estimate(matrix(dtype=dtype), num_steps=5)
        for dtype in (torch.float64, torch.float32)
    )
    assert single.smallest == pytest.approx(double.smallest, rel=1e-4)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        published_estimate(lambda v: v, 0, seed=0)
    with pytest.raises(ValueError, match="num_steps must be at least 1"):
        published_estimate(lambda v: v, 2, num_steps=0, seed=0)
    with pytest.raises(ValueError, match="floor must be at least 0"):
        published_estimate(lambda v: v, 2, floor=-1e-8, seed=0)
