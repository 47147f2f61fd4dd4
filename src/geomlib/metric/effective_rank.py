"""How many directions of representation space a metric sees."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least


def metric_rank(metrics: Float[Tensor, "n d d"]) -> Float[Tensor, " n"]:
    r"""Exponential of the entropy of each metric's eigenvalues, as shares of its trace.

    :math:`\exp(-\sum_i p_i \log p_i)` with :math:`p_i = \lambda_i / \operatorname{tr} G`:
    d for a metric that treats all directions alike, 1 where it sees one direction only.

    Args:
        metrics: One positive semi-definite matrix per sample.

    Raises:
        ValueError: If there is no metric or one has no positive trace.

    Source: Roy & Vetterli 2007 (EUSIPCO), of the eigenvalues of G instead of the singular
    values of a matrix of samples; for G these are the same.

    >>> metric_rank(torch.diag(torch.tensor([1.0, 1.0, 0.0]))[None])
    tensor([2.])
    """
    at_least("number of metrics", len(metrics), 1)
    # Rounding may leave an eigenvalue slightly below zero.
    values = torch.linalg.eigvalsh(metrics).clamp_min(0)
    traces = values.sum(1, keepdim=True)
    if bad := int((~(traces > 0)).sum()):
        raise ValueError(
            f"metrics must all be other than 0, got {bad} of {len(metrics)} that are not. "
            "Drop those samples."
        )
    return torch.special.entr(values / traces).sum(1).exp()
