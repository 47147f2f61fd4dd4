"""Non-negative quadratic problems of many samples at once, exactly."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.nnk.restricted import solved

# A sign counts from here on: above the rounding of products of kernels, which are at
# most 1, and far below what a certificate allows.
SIGN = 1e-13
CERTIFIED = 1e-10
# Rounds in which the wrong indices may grow in number; the free ones at the start.
NUM_TRIES = 3
NUM_FREE = 12
REFINEMENTS = 2


@dataclass(frozen=True)
class Solutions:
    """Minimisers with the proof that they are.

    Attributes:
        weights: Minimiser of each problem.
        violation: Of the optimality conditions, by ``kkt_violation``.
        num_pivots: Rounds of block pivoting until the last problem was done.
        num_fallbacks: Problems that were solved one by one, by active sets.
    """

    weights: Float[Tensor, "b k"]
    violation: Float[Tensor, " b"]
    num_pivots: int
    num_fallbacks: int


def kkt_violation(
    K: Float[Tensor, "b k k"], q: Float[Tensor, "b k"], x: Float[Tensor, "b k"]
) -> Float[Tensor, " b"]:
    r"""How far each x is from minimising :math:`\tfrac12 x^\top K x - q^\top x`, x >= 0.

    With the gradient :math:`g = K x - q` the conditions of Karush, Kuhn and Tucker are
    :math:`x \ge 0`, :math:`g \ge 0` and :math:`x_i g_i = 0`, in one:
    :math:`\min(x_i, g_i) = 0`. This is the largest :math:`|\min(x_i, g_i)|`. The problem
    is convex, so zero means optimal.

    >>> K, q = torch.eye(2)[None], torch.tensor([[1.0, -1.0]])
    >>> kkt_violation(K, q, torch.tensor([[1.0, 0.0]])).item()
    0.0
    """
    gradient = (K @ x[:, :, None])[:, :, 0] - q
    return torch.minimum(x, gradient).abs().amax(1)


def solve(K: Float[Tensor, "_b _k _k"], q: Float[Tensor, "_b _k"]) -> Solutions:
    r"""Minimisers of :math:`\tfrac12 x^\top K x - q^\top x` over :math:`x \ge 0`.

    Block principal pivoting: each index is free or held at zero; the free ones are solved
    for; all free indices with a negative weight and all held ones with a negative
    gradient change sides at once. Where that makes the number of wrong indices grow three
    times, only the last of them changes, which ends in finitely many rounds if every
    matrix of free indices is regular. What is not certified then is solved by
    active sets, one problem after another.

    Args:
        K: Symmetric positive semi-definite matrices with diagonals of about 1. Float64.
        q: Linear terms.

    Returns:
        Weights and certificate. Where K is singular the minimiser need not be unique.

    Raises:
        ValueError: If there is no index, a shape does not fit, or a number is not finite.

    Source: Portugal, Júdice & Vicente 1994, algorithm for one problem, with the number of
    tries of Kim & Park 2011; Lawson & Hanson 1974, as in SciPy, for the rest.

    >>> K = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]], dtype=torch.float64)
    >>> solve(K, torch.tensor([[0.9, 0.5]], dtype=torch.float64)).weights
    tensor([[0.9000, 0.0000]], dtype=torch.float64)
    """
    if K.shape != (*q.shape, q.shape[-1]):
        raise ValueError(
            f"K must have one square matrix a row of q, got {tuple(K.shape)} for "
            f"{tuple(q.shape)}."
        )
    at_least("number of indices", q.shape[1], 1)
    finite("K", K)
    finite("q", q)
    x, num_pivots = _pivoted(K.contiguous(), q)
    x = x.clamp_min(0)
    violation = kkt_violation(K, q, x)
    left = (violation > CERTIFIED).nonzero()[:, 0]
    for row in left.tolist():
        other = _active_set(K[row], q[row])
        remaining = kkt_violation(K[row, None], q[row, None], other[None])[0]
        if remaining < violation[row]:
            x[row], violation[row] = other, remaining
    return Solutions(x, violation, num_pivots, len(left))


def _pivoted(
    K: Float[Tensor, "b k k"], q: Float[Tensor, "b k"]
) -> tuple[Float[Tensor, "b k"], int]:
    """Solutions on the last set of free indices, and the rounds that it took."""
    num, size = q.shape
    # Any start will do. With the most similar candidates free, the systems are small.
    first = q.argsort(dim=1, descending=True)[:, : min(NUM_FREE, size)]
    free = torch.zeros_like(q, dtype=torch.bool).scatter(1, first, True)
    x, gradient = solved(K, q, free)
    fewest = torch.full((num,), size + 1, device=q.device)
    tries = torch.full((num,), NUM_TRIES, device=q.device)
    going = torch.arange(num, device=q.device)
    num_pivots = 0
    while num_pivots < 2 * size:
        wrong = torch.where(free[going], x[going], gradient[going]) < -SIGN
        count = wrong.sum(1)
        going, wrong, count = going[count > 0], wrong[count > 0], count[count > 0]
        if not len(going):
            break
        better = count < fewest[going]
        fewest[going] = torch.where(better, count, fewest[going])
        tries[going] = torch.where(better, NUM_TRIES, tries[going] - 1)
        one = (tries[going] < 0)[:, None]
        last = size - 1 - wrong.flip(1).byte().argmax(1, keepdim=True)
        only = torch.zeros_like(wrong).scatter(1, last, True)
        free[going] ^= torch.where(one, only, wrong)
        x[going], gradient[going] = solved(K, q, free, rows=going)
        num_pivots += 1
    # The ridge under a factored matrix shows in the gradients of free indices.
    rough = (torch.minimum(x, gradient).abs().amax(1) > SIGN).nonzero()[:, 0]
    x[rough] = solved(K, q, free, rows=rough, refinements=REFINEMENTS)[0]
    return x, num_pivots


def _active_set(K: Float[Tensor, "k k"], q: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """SciPy's non-negative least squares on a root of K."""
    # With K = V L V^T and A = L^(1/2) V^T, |A x - L^(-1/2) V^T q|^2 is the problem, over
    # the directions that K sees; q lies in them, since it is a product with the same maps.
    eigenvalues, V = np.linalg.eigh(K.cpu().numpy())
    seen = eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues[-1]
    root = np.sqrt(eigenvalues[seen])[:, None]
    A = root * V[:, seen].T
    x, _ = nnls(A, (V[:, seen].T @ q.cpu().numpy()) / root[:, 0])
    return torch.from_numpy(x).to(q)
