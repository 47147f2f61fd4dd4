"""Diameter, number of neighbours and affinity of neighbourhoods."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from geomlib.nnk.kernels import Kernel, prepared
from geomlib.nnk.neighbourhoods import Neighbourhoods

PAIRS = 4096
# A direction counts from this share of the longest one of its polytope on.
RANK = 1e-6


@dataclass(frozen=True)
class Polytopes:
    """Metrics of the polytope that the neighbours of each sample span.

    Attributes:
        diameter: Largest distance between two neighbours; 0 for fewer than two.
        num_neighbours: Number of neighbours.
        dimension: Of the subspace along which the neighbours lie, seen from the sample.
        affinity: Mean affinity of this subspace with those of the neighbours; NaN where
            there is no pair of subspaces.
    """

    diameter: Float[Tensor, " n"]
    num_neighbours: Int[Tensor, " n"]
    dimension: Int[Tensor, " n"]
    affinity: Float[Tensor, " n"]


def polytopes(
    features: Float[Tensor, "n d"], found: Neighbourhoods, kernel: Kernel = "cosine"
) -> Polytopes:
    """Metrics of each sample's polytope of neighbours.

    Lengths are those of unit rows for the cosine kernel, so that no metric depends on the
    scale of the representation; for the Gaussian kernel they have the features' unit.

    Args:
        features: What the neighbourhoods were found in.
        found: Neighbours of every row.
        kernel: The one that they were found with.

    Raises:
        ValueError: If the kernel is unknown, or a row cannot be prepared for it.

    Source: Cosentino et al. 2022 for the three metrics: diameter, number of neighbours,
    angles between neighbouring polytopes. The subspace of a polytope is spanned by the
    differences of the neighbours from the sample here, so that an offset of all samples
    turns no angle.
    """
    x = prepared(features, kernel)
    chosen, candidates = found.chosen, found.candidates
    diameter = torch.cat(
        [
            _diameters(x[c], used)
            for c, used in zip(
                candidates.split(PAIRS // 4), chosen.split(PAIRS // 4), strict=True
            )
        ]
    )
    bases, dimension = _bases(x, candidates, chosen)
    affinity = _mean_affinity(bases, dimension, candidates, chosen)
    return Polytopes(diameter, chosen.sum(1), dimension, affinity)


def affinity(
    first: Float[Tensor, "*b d p"], second: Float[Tensor, "*b d q"]
) -> Float[Tensor, "*b"]:
    r"""Affinity of two subspaces, from 0 (orthogonal) to 1 (one holds the other).

    :math:`\sqrt{\sum_i \cos^2 \theta_i / \min(p, q)}` with the principal angles
    :math:`\theta_i`. The cosines are the singular values of the bases' product, so the
    sum of their squares is that of its entries, and no angle need be computed.

    Args:
        first: Orthonormal basis; columns of zeros fill it up and do not count.
        second: Likewise.

    Returns:
        NaN where a subspace is a point.

    Source: Soltanolkotabi, Elhamifar & Candès 2014, normalised affinity.

    >>> basis = torch.eye(3)
    >>> round(affinity(basis[:, :2], basis[:, 1:]).item(), 4)
    0.7071
    """
    squares = (first.mT @ second).square().sum((-2, -1))
    smaller = torch.minimum(_rank(first), _rank(second))
    return (squares / smaller).sqrt()


def _rank(basis: Float[Tensor, "*b d p"]) -> Float[Tensor, "*b"]:
    return basis.square().sum((-2, -1)).round()


def _diameters(
    points: Float[Tensor, "b k d"], used: Bool[Tensor, "b k"]
) -> Float[Tensor, " b"]:
    """Largest distance between two points that are used."""
    both = used[:, :, None] & used[:, None, :]
    return (torch.cdist(points, points) * both).amax((1, 2))


def _bases(
    x: Float[Tensor, "n d"], candidates: Int[Tensor, "n k"], chosen: Bool[Tensor, "n k"]
) -> tuple[Float[Tensor, "n d m"], Int[Tensor, " n"]]:
    """Orthonormal basis of each sample's edges, filled up with zeros, and its dimension."""
    most = max(1, int(chosen.sum(1).max()))
    front = chosen.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
    used = chosen.gather(1, front)
    edges = (x[candidates.gather(1, front)] - x[:, None]) * used[:, :, None]  # [n m d]
    U, S, _ = torch.linalg.svd(edges.mT, full_matrices=False)
    kept = RANK * S[:, :1] < S
    return U * kept[:, None, :], kept.sum(1)


def _mean_affinity(
    bases: Float[Tensor, "n d m"],
    dimension: Int[Tensor, " n"],
    candidates: Int[Tensor, "n k"],
    chosen: Bool[Tensor, "n k"],
) -> Float[Tensor, " n"]:
    """Mean affinity of each sample's subspace with those of its neighbours."""
    sample, place = chosen.nonzero(as_tuple=True)
    other = candidates[sample, place]
    seen = (dimension[sample] > 0) & (dimension[other] > 0)
    sample, other = sample[seen], other[seen]
    pairs = zip(sample.split(PAIRS), other.split(PAIRS), strict=True)
    values = [affinity(bases[i], bases[j]) for i, j in pairs]
    total = bases.new_zeros(len(bases)).index_add(0, sample, torch.cat(values))
    return total / torch.bincount(sample, minlength=len(bases))
