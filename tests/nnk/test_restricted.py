import numpy as np
import torch

from geomlib.nnk.restricted import solved


def problems(num: int, size: int):
    draw = torch.Generator().manual_seed(1)
    A = torch.randn(num, size, size, generator=draw, dtype=torch.float64)
    K = A @ A.mT / size + torch.eye(size, dtype=torch.float64)
    free = torch.rand(num, size, generator=draw) < torch.rand(num, 1, generator=draw)
    return K, torch.rand(num, size, generator=draw, dtype=torch.float64), free


def test_against_numpy():
    K, q, free = problems(300, 7)  # more than one block, some with no free index
    assert not free.any(1).all()
    x, gradient = solved(K, q, free, refinements=2)
    for k, b, f, got in zip(K.numpy(), q.numpy(), free.numpy(), x.numpy(), strict=True):
        expected = np.zeros(7)
        expected[f] = np.linalg.solve(k[np.ix_(f, f)], b[f])
        np.testing.assert_allclose(got, expected, atol=1e-12)
    direct = torch.einsum("bij,bj->bi", K, x) - q
    torch.testing.assert_close(gradient, direct, atol=1e-12, rtol=0)


def test_rows_are_a_part():
    K, q, free = problems(40, 5)
    rows = torch.tensor([31, 2, 17])
    everything, part = solved(K, q, free), solved(K, q, free, rows=rows)
    torch.testing.assert_close(part[0], everything[0][rows])
    torch.testing.assert_close(part[1], everything[1][rows])
    assert solved(K, q, free, rows=rows[:0])[0].shape == (0, 5)


def test_singular_system_with_a_solution():
    K = torch.ones(1, 3, 3, dtype=torch.float64)
    q = torch.ones(1, 3, dtype=torch.float64)
    x, gradient = solved(K, q, torch.ones(1, 3, dtype=torch.bool), refinements=2)
    assert gradient.abs().max() < 1e-12
    assert x.sum().item() == 1 or abs(x.sum().item() - 1) < 1e-12
