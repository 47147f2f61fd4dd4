r"""Encoders of one hidden layer under heads of one hidden layer, stacked.

:math:`h = W \phi` with :math:`\phi = (F x + t)_+`, then a head as in ``network``, with or
without batch norm. The parameters are named tensors, each with a leading dimension, one
network for each entry: ``features`` F, ``thresholds`` t, ``gains`` of the batch norm, and
the names of ``network``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.collapse.activations import Activation
from geomlib.rank import effective_rank

BATCH_NORM_EPS = 1e-5  # what torch.nn.BatchNorm1d adds to a variance


@dataclass(frozen=True)
class Head:
    """What stands between the two linear layers of a head.

    Attributes:
        activation: Of the hidden units.
        batch_norm: Whether each unit is standardised before it, over the batch of one
            view, then scaled by a gain of its own.
    """

    activation: Activation
    batch_norm: bool = False

    @property
    def name(self) -> str:
        """As figures show it."""
        return self.activation.name + (" + BN" if self.batch_norm else "")


def representations(
    parameters: Mapping[str, Tensor], views: Float[Tensor, "q 2 n d"]
) -> Float[Tensor, "q 2 n p"]:
    """Representations h of both views of every sample."""
    thresholds = parameters["thresholds"][:, None, None]
    phi = (views @ parameters["features"].mT[:, None] + thresholds).relu()
    return phi @ parameters["backbone"].mT[:, None]


def embeddings(
    parameters: Mapping[str, Tensor], h: Float[Tensor, "q 2 n p"], head: Head
) -> Float[Tensor, "q 2 n k"]:
    """Embeddings of representations; batch norm over the samples of each view."""
    s = h @ parameters["weights"].mT[:, None]  # [q 2 n m]
    if head.batch_norm:
        variance = s.var(dim=2, correction=0, keepdim=True) + BATCH_NORM_EPS
        s = (s - s.mean(dim=2, keepdim=True)) * variance.rsqrt()
        s = s * parameters["gains"][:, None, None]
    hidden = head.activation.function(s + parameters["biases"][:, None, None])
    z = hidden @ parameters["outputs"].mT[:, None]
    return z + parameters["offset"][:, None, None]


def effective_ranks(
    parameters: Mapping[str, Tensor], views: Float[Tensor, "q 2 n d"], head: Head
) -> Float[Tensor, "q 2"]:
    """Effective ranks of representations and of embeddings, both views as samples."""
    h = representations(parameters, views)
    pairs = zip(h.flatten(1, 2), embeddings(parameters, h, head).flatten(1, 2), strict=True)
    return torch.stack([torch.stack([effective_rank(x) for x in pair]) for pair in pairs])


def jacobian_norm(
    parameters: Mapping[str, Tensor], h: Float[Tensor, "q 2 n p"], head: Head
) -> Float[Tensor, ""]:
    """Norm of the embeddings' derivative in the last coordinate of all representations.

    Batch norm mixes the samples, so this is the Jacobian of all embeddings in all samples.
    """
    last = torch.eye(h.shape[-1]).to(h)[-1]

    def moved(shift: Tensor) -> Tensor:
        return embeddings(parameters, h + shift[..., None] * last, head)

    return torch.func.jacrev(moved)(h.new_zeros(h.shape[:-1])).norm()
