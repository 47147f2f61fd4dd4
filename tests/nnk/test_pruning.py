import numpy as np
import torch

from geomlib.nnk.pruning import pruned
from geomlib.nnk.solver import kkt_violation, solve


def by_loop(K, q, smallest=1e-10):
    """The rule for one problem, in numpy, from its description."""
    if (q > 1 - smallest).any():
        return np.where(q > 1 - smallest, q, 0.0)
    free = q > smallest
    while True:
        x = np.zeros_like(q)
        if free.any():
            x[free] = np.linalg.solve(K[np.ix_(free, free)], q[free])
        if not (free & (x <= smallest)).any():
            return x
        free &= x > smallest


def cosine_problems(num: int, size: int):
    draw = torch.Generator().manual_seed(3)
    x = torch.rand(num, size + 1, 40, generator=draw, dtype=torch.float64)
    x = x / x.norm(dim=2, keepdim=True)
    G = (1 + x @ x.mT) / 2
    return G[:, 1:, 1:].contiguous(), G[:, 0, 1:].contiguous()


def test_against_a_loop():
    K, q = cosine_problems(60, 20)
    expected = [by_loop(k, b) for k, b in zip(K.numpy(), q.numpy(), strict=True)]
    np.testing.assert_allclose(pruned(K, q).numpy(), expected, atol=1e-9)


def test_is_not_exact_where_the_solver_is():
    K, q = cosine_problems(60, 20)
    broken = kkt_violation(K, q, pruned(K, q)) > 1e-6
    assert broken.double().mean() > 0.5
    assert solve(K, q).violation.max() < 1e-9


def test_a_duplicate_of_the_sample_is_kept_alone():
    K = torch.tensor([[[1.0, 0.5], [0.5, 1.0]]], dtype=torch.float64)
    q = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    assert pruned(K, q).tolist() == [[1.0, 0.0]]
