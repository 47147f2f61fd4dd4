"""The whole matrix: against finite differences, and refused where it is no Hessian."""

import pytest
import torch
from torch import nn

from geomlib.hessian.dense import dense
from geomlib.hessian.model import module_loss
from geomlib.hessian.operator import (
    SymmetricOperator,
    from_matrix,
    gauss_newton,
    hessian,
    residual,
)
from geomlib.params import flatten, unflatten

NORMS = {
    "batch norm in training mode": lambda: nn.BatchNorm1d(4),
    "layer norm": lambda: nn.LayerNorm(4),
}
ACTIVATIONS = {"SiLU": nn.SiLU, "GELU": nn.GELU, "Mish": nn.Mish}


def wide(norm: str, activation: str) -> tuple:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 4), NORMS[norm](), ACTIVATIONS[activation](), nn.Linear(4, 2)
    ).double()
    batch = torch.randn(9, 3, dtype=torch.float64)
    return module_loss(model, batch, lambda f, x: f(x).square().mean() + f(x).sin().mean())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_is_the_finite_difference_of_the_gradient(norm, activation):
    loss, at = wide(norm, activation)
    point, step = flatten(at), 1e-5

    def gradient(vector: torch.Tensor) -> torch.Tensor:
        tensors = {n: t.clone().requires_grad_() for n, t in unflatten(vector, at).items()}
        found = torch.autograd.grad(loss(tensors), list(tensors.values()))
        return torch.cat([part.reshape(-1) for part in found])

    units = torch.eye(len(point), dtype=torch.float64)
    rows = [
        (gradient(point + step * u) - gradient(point - step * u)) / (2 * step)
        for u in units
    ]
    matrix = dense(hessian(loss, at))
    torch.testing.assert_close(matrix, torch.stack(rows), atol=1e-7, rtol=1e-6)
    assert torch.equal(matrix, matrix.mT)


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 100])
def test_chunks_do_not_change_the_matrix(chunk_size):
    matrix = torch.randn(7, 7, generator=torch.Generator().manual_seed(0)).double()
    matrix = matrix + matrix.mT
    torch.testing.assert_close(dense(from_matrix(matrix), chunk_size=chunk_size), matrix)


def test_refuses_what_is_not_symmetric_or_not_finite():
    skew = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    bad = torch.tensor([[float("nan"), 0.0], [0.0, 1.0]])
    sound = from_matrix(torch.eye(2))

    def like(matrix: torch.Tensor) -> SymmetricOperator:
        def apply(v: torch.Tensor) -> torch.Tensor:
            return matrix @ v

        return SymmetricOperator(
            apply, apply, 2, sound.dtype, sound.device, sound.shapes, couples_samples=False
        )

    with pytest.raises(ValueError, match="operator must be symmetric"):
        dense(like(skew))
    assert torch.equal(dense(like(1e-9 * skew), atol=1e-8), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"operator must be symmetric.*pass atol"):
        dense(like(1e-9 * skew), atol=1e-10)
    with pytest.raises(ValueError, match=r"atol must be at least 0\.0, got -1"):
        dense(sound, atol=-1.0)
    with pytest.raises(ValueError, match="matrix of the operator must be finite"):
        dense(like(bad))
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        dense(sound, chunk_size=0)


@pytest.mark.parametrize("kind", [gauss_newton, residual])
def test_parts_of_a_hessian_are_their_textbook_matrices(kind):
    # L = sum of f(x_i) through z = x^2: Gauss-Newton diag(4 x^2 f''), residual 2 f'.
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    found = dense(kind(lambda t: t["x"].square(), lambda z: z.sin().sum(), {"x": x}))
    z = x.square()
    outer = 4 * z * -z.sin() if kind is gauss_newton else 2 * z.cos()
    torch.testing.assert_close(found, outer.diag())


def test_float32_rounding_is_no_asymmetry():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2))
    found, at = module_loss(model, torch.randn(50, 3), lambda f, x: f(x).square().mean())
    matrix = dense(hessian(found, at))
    assert torch.equal(matrix, matrix.mT)
    exact, at = module_loss(
        model.double(), torch.randn(50, 3).double(), lambda f, x: f(x).square().mean()
    )
    assert matrix.dtype == torch.float32
    assert dense(hessian(exact, at)).dtype == torch.float64
