"""The most likely styles of noisy pixels, by descent on the subspace."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, positive

_SMALLEST, _LARGEST = 1e-7, 1e7  # damping


@torch.no_grad()
def most_likely(
    seen: Callable[[Tensor], Tensor],
    pixels: Float[Tensor, "n p"],
    start: Float[Tensor, "n s"],
    basis: Float[Tensor, "s d"],
    *,
    noise: float,
    num_steps: int,
) -> Float[Tensor, "n s"]:
    r"""Styles :math:`Q u` that noisy pixels make most likely, with standard normal u.

    A local minimum of :math:`\lVert y - f(Q u) \rVert^2 / \sigma^2 + \lVert u \rVert^2`,
    by Levenberg and Marquardt's damped Gauss-Newton steps: a step that does not lower it is
    not taken, and the next one is shorter.

    Args:
        seen: f, rows of styles to pixels, each row by itself; made of operations that
            have two derivatives.
        pixels: y, what was seen of each image.
        start: Styles to begin at; what of them lies off the subspace is dropped.
        basis: Q.
        noise: :math:`\sigma`.
        num_steps: Each costs as many backward passes as Q has columns.

    Raises:
        ValueError: If ``noise`` is not positive and finite or ``num_steps`` is below 1.

    Source: Marquardt 1963.

    >>> one = torch.eye(1)
    >>> found = most_likely(lambda s: s, 2 * one, 0 * one, one, noise=1.0, num_steps=30)
    >>> round(found.item(), 4)
    1.0
    """
    positive("noise", noise)
    at_least("num_steps", num_steps, 1)

    def made(u: Tensor) -> Tensor:
        return seen(u @ basis.mT).flatten(1)

    def cost(u: Tensor) -> Tensor:
        return (pixels - made(u)).square().sum(1) / noise**2 + u.square().sum(1)

    u = start @ torch.linalg.pinv(basis).mT
    lowest = cost(u)
    damping = torch.ones_like(lowest)
    for _ in range(num_steps):
        J = _slopes(made, u)
        uphill = u - ((pixels - made(u))[:, None] @ J)[:, 0] / noise**2
        curvature = J.mT @ J / noise**2
        # The prior adds the identity, and the damping a multiple of the diagonal.
        diagonal = 1 + curvature.diagonal(dim1=1, dim2=2)
        curvature = curvature + torch.diag_embed(
            damping[:, None] * diagonal + torch.ones_like(diagonal)
        )
        tried = u - torch.linalg.solve(curvature, uphill)
        found = cost(tried)
        lower = found < lowest
        u = torch.where(lower[:, None], tried, u)
        lowest = torch.where(lower, found, lowest)
        damping = torch.where(lower, damping / 5, damping * 3)
        damping = damping.clamp(_SMALLEST, _LARGEST)
    return u @ basis.mT


def _slopes(
    made: Callable[[Tensor], Tensor], u: Float[Tensor, "n d"]
) -> Float[Tensor, "n p d"]:
    """Jacobian at each row, one pass for each of few columns, not many pixels."""
    with torch.enable_grad():
        rows = u.detach().requires_grad_()
        pixels = made(rows)
        # J^T v is linear in v, so its slopes in v at zero are the columns of J.
        v = torch.zeros_like(pixels, requires_grad=True)
        (back,) = torch.autograd.grad(pixels, rows, v, create_graph=True)  # [n d]
        columns = [
            torch.autograd.grad(column, v, retain_graph=True)[0] for column in back.sum(0)
        ]
    return torch.stack(columns, -1)
