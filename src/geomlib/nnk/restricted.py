"""Linear systems of some indices each, side by side."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Problems of like size are solved together, so that small ones carry little padding.
BLOCK = 256
RIDGE = 1e-14


def solved(
    K: Float[Tensor, "b k k"],
    q: Float[Tensor, "b k"],
    free: Bool[Tensor, "b k"],
    *,
    rows: Int[Tensor, " r"] | None = None,
    refinements: int = 0,
) -> tuple[Float[Tensor, "r k"], Float[Tensor, "r k"]]:
    r"""Solutions of :math:`K_{FF} x_F = q_F`, zero outside F, and gradients K x - q.

    Args:
        K: Symmetric positive semi-definite matrices, with diagonals of about 1.
        q: Right-hand sides.
        free: The indices F of each problem.
        rows: Which problems to solve; None for all.
        refinements: Steps of iterative refinement. A matrix is factored with 1e-14 more
            on its diagonal, or 1e-11 if that fails, so that a singular one can be; a step
            removes what this does to a regular system.

    >>> K, q = torch.eye(2, dtype=torch.float64)[None], torch.tensor([[3.0, 4.0]]).double()
    >>> solved(2 * K, q, torch.tensor([[True, False]]))[0]
    tensor([[1.5000, 0.0000]], dtype=torch.float64)
    """
    rows = torch.arange(len(q), device=q.device) if rows is None else rows
    gradient = -q[rows]
    x = torch.zeros_like(gradient)
    num_free = free[rows].sum(1)
    for part in num_free.argsort().split(BLOCK):
        most = int(num_free[part[-1:]].sum())
        if most:
            solution = _solved_alike(K, q, free, rows[part], most, refinements)
            x[part], gradient[part] = solution
    return x, gradient


def _solved_alike(
    K: Tensor, q: Tensor, free: Tensor, rows: Tensor, most: int, refinements: int
) -> tuple[Float[Tensor, "r k"], Float[Tensor, "r k"]]:
    """The problems of some rows, each with its free indices moved to the front."""
    size = q.shape[1]
    index = free[rows].byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    used = free[rows].gather(1, index)  # [r m]
    # Whole rows of K are copied at once, as one long matrix's.
    wide = K.reshape(-1, size)[(rows[:, None] * size + index).flatten()]
    wide = wide.view(len(rows), most, size)
    A = wide.gather(2, index[:, None, :].expand(-1, most, -1))  # [r m m]
    padding = ~used
    A.masked_fill_(padding[:, :, None] | padding[:, None, :], 0.0)
    A.diagonal(dim1=1, dim2=2).add_(padding.double() + RIDGE)
    factor, failed = torch.linalg.cholesky_ex(A)
    if failed.any():
        A.diagonal(dim1=1, dim2=2).add_(1e3 * RIDGE)
        factor = torch.linalg.cholesky_ex(A)[0]
    b = (q[rows].gather(1, index) * used)[:, :, None]
    y = torch.cholesky_solve(b, factor) * used[:, :, None]
    for _ in range(refinements):
        product = (y.mT @ wide).gather(2, index[:, None, :]).mT
        y = y + torch.cholesky_solve((b - product) * used[:, :, None], factor)
    gradient = (y.mT @ wide)[:, 0] - q[rows]
    return torch.zeros_like(gradient).scatter(1, index, y[:, :, 0]), gradient
