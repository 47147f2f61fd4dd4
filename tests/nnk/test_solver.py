import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from geomlib.nnk.solver import kkt_violation, solve


def drawn(num: int, size: int, rank: int, seed: int):
    """Least-squares problems with unit columns: K and q are their products."""
    draw = torch.Generator().manual_seed(seed)
    A = torch.randn(num, rank, size, generator=draw, dtype=torch.float64)
    A = A / A.norm(dim=1, keepdim=True)
    b = torch.randn(num, rank, generator=draw, dtype=torch.float64)
    return A, b, A.mT @ A, (A.mT @ b[:, :, None])[:, :, 0]


def test_against_scipy():
    A, b, K, q = drawn(200, 12, 20, seed=0)
    found = solve(K, q)
    expected = np.stack([nnls(a, c)[0] for a, c in zip(A.numpy(), b.numpy(), strict=True)])
    np.testing.assert_allclose(found.weights.numpy(), expected, atol=1e-10)
    assert found.violation.max() < 1e-11
    assert found.num_fallbacks == 0


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 9), rank=st.integers(1, 12), seed=st.integers(0, 2**20),
    scale=st.sampled_from([1e-3, 1.0, 10.0]),
)  # fmt: skip
def test_certified_whatever_the_rank(size, rank, seed, scale):
    A, b, K, q = drawn(3, size, rank, seed=seed)
    found = solve(K, scale * q)
    assert (found.weights >= 0).all()
    assert found.violation.max() < 1e-9
    for a, c, x in zip(A, scale * b, found.weights, strict=True):
        least = nnls(a.numpy(), c.numpy())[1]
        assert float((a @ x - c).norm()) <= least + 1e-7


def test_by_hand():
    # Two candidates on one ray: the nearer one carries it all.
    K = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]], dtype=torch.float64)
    q = torch.tensor([[0.9, 0.5]], dtype=torch.float64)
    assert solve(K, q).weights[0].tolist() == pytest.approx([0.9, 0.0], abs=1e-13)
    # At x = q the gradient is (0.45, 0.81), and min(x, gradient) is (0.45, 0.5).
    assert kkt_violation(K, q, q).item() == pytest.approx(0.5)


def test_nothing_similar_gives_nothing():
    K = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    found = solve(K, torch.zeros(2, 4, dtype=torch.float64))
    assert not found.weights.any()
    assert found.violation.max() == 0


def test_violation_sees_each_condition():
    K = torch.eye(2).double()[None]
    q = torch.tensor([[1.0, -1.0]]).double()
    for x, wrong in (
        ([1.0, 0.0], 0.0),
        ([0.5, 0.0], 0.5),
        ([1.0, 0.2], 0.2),
        ([1.0, -0.3], 0.3),
    ):
        found = kkt_violation(K, q, torch.tensor([x]).double())
        assert found.item() == pytest.approx(wrong)


def test_bad_inputs():
    K, q = torch.eye(2).double()[None], torch.ones(1, 2).double()
    with pytest.raises(ValueError, match=r"K must have one square matrix a row of q"):
        solve(K, torch.ones(1, 3).double())
    with pytest.raises(ValueError, match="number of indices must be at least 1"):
        solve(torch.zeros(1, 0, 0).double(), torch.zeros(1, 0).double())
    with pytest.raises(ValueError, match="q must be finite"):
        solve(K, q * torch.inf)
    with pytest.raises(ValueError, match="K must be finite"):
        solve(K * torch.nan, q)
