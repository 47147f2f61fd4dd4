"""The share of a metric that lies along a given direction."""

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least


def tangent_energy(
    metrics: Float[Tensor, "n d d"], tangents: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    r"""Squared embedding length of a unit step along the tangent, over the trace.

    :math:`t^\top G\, t / \operatorname{tr} G` with :math:`t` at unit length: 1/d for a
    metric that treats all directions alike, 0 where the head does not see the tangent.

    Args:
        metrics: One positive semi-definite matrix per sample.
        tangents: One direction per sample; rows are divided by their length here.

    Raises:
        ValueError: If there is another number of tangents than of metrics, a tangent is
            zero, or a metric has no positive trace.

    >>> metric = torch.diag(torch.tensor([1.0, 3.0]))[None]
    >>> tangent_energy(metric, torch.tensor([[0.0, 5.0]]))
    tensor([0.7500])
    """
    at_least("number of metrics", len(metrics), 1)
    if metrics.shape[:2] != tangents.shape:
        raise ValueError(
            "tangents must have one row per metric and its width, got "
            f"{tuple(tangents.shape)} for metrics {tuple(metrics.shape)}."
        )
    traces = metrics.diagonal(dim1=1, dim2=2).sum(1)
    lengths = tangents.square().sum(1)
    for name, sizes in (("tangents", lengths), ("metrics", traces)):
        if bad := int((~(sizes > 0)).sum()):
            raise ValueError(
                f"{name} must all be other than 0, got {bad} of {len(sizes)} that are "
                "not. Drop those samples."
            )
    along = torch.einsum("ni,nij,nj->n", tangents, metrics, tangents)
    return along / (lengths * traces)
