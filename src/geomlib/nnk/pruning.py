"""The pruning rule of the authors' code, which is fast and not exact."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.nnk.restricted import solved


def pruned(
    K: Float[Tensor, "b k k"], q: Float[Tensor, "b k"], *, smallest: float = 1e-10
) -> Float[Tensor, "b k"]:
    r"""Weights after repeated pruning: solve without signs, drop what is not positive.

    All candidates more similar than ``smallest`` are free at first. The linear system of
    the free ones is solved, those whose weight is not above ``smallest`` are dropped for
    good, and so on until none is. A candidate that is dropped in company may be wanted
    once the company is gone: nothing looks at its gradient again, so what is left
    need not minimise anything. Where a candidate's similarity to the sample is above
    1 - ``smallest``, those candidates alone are kept, each with its similarity as weight.

    Args:
        K: Symmetric positive semi-definite matrices with diagonals of 1.
        q: Similarities of the candidates to each sample.
        smallest: See above; what the authors' code passes.

    Source: ``non_neg_qpsolver.py`` of github.com/STAC-USC/PyNNK_graph_construction, read
    and described, not copied.

    >>> K = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]], dtype=torch.float64)
    >>> pruned(K, torch.tensor([[0.9, 0.5]], dtype=torch.float64))
    tensor([[0.9000, 0.0000]], dtype=torch.float64)
    """
    same = q > 1 - smallest
    free = q > smallest
    x = solved(K, q, free)[0]
    while True:
        dropped = free & (x <= smallest)
        if not dropped.any():
            break
        free = free & ~dropped
        going = dropped.any(1).nonzero()[:, 0]
        x[going] = solved(K, q, free, rows=going)[0]
    return torch.where(same.any(1, keepdim=True), q * same, x)
