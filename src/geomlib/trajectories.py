"""Measures of the paths that samples take as one augmentation grows stronger.

A path holds the representations of ``t`` steps of ``n`` samples. The published measures,
the rank apart, depend on the scale of the space that they are taken in, or on where its
origin lies, so that two spaces cannot be compared by them. The counterparts here do not;
that of the variance is ``geomlib.orbits.orbit_share``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least, finite


@dataclass(frozen=True)
class OrbitMeasures:
    """Measures of the orbits of one augmentation in one space.

    Attributes:
        variance: Of each orbit, the variance along it, mean over dimensions, in squared
            units of the space.
        rank: Of each orbit, the exponential of the entropy of its variances' shares along
            principal directions: from 1 to the number of steps less 1.
        bend: Of each orbit, the mean length of its second differences, in units of the
            space.
        relative_bend: Of each orbit, its bend over the mean length of its first
            differences: without unit.
        alignment: Of each orbit, the mean cosine with its anchor.
        centred_alignment: The same after the mean over all orbits is taken off, so that
            what all samples share does not count.
    """

    variance: Float[Tensor, " n"]
    rank: Float[Tensor, " n"]
    bend: Float[Tensor, " n"]
    relative_bend: Float[Tensor, " n"]
    alignment: Float[Tensor, " n"]
    centred_alignment: Float[Tensor, " n"]


def orbit_measures(
    path: Float[Tensor, "t n d"], anchor: Float[Tensor, "n d"]
) -> OrbitMeasures:
    """Measures of orbits, as published and without scale.

    Args:
        path: Representations of each step of each sample.
        anchor: Representations of the samples themselves.

    Raises:
        ValueError: If there are fewer than three steps or two samples, an entry is not
            finite, or an orbit does not move by more than rounding.

    Source: Chaudhry 2026 (arXiv:2605.17180) for ``variance``, ``rank``, ``bend`` (there
    called curvature) and ``alignment``, as its code computes them; the others are this
    book's. The rank is of variances, where ``geomlib.rank.effective_rank`` takes
    deviations.

    >>> line = torch.arange(4.0)[:, None, None] * torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> measures = orbit_measures(line, torch.ones(2, 2))
    >>> measures.rank, measures.bend
    (tensor([1., 1.]), tensor([0., 0.]))
    """
    at_least("number of steps", len(path), 3)
    at_least("number of samples", path.shape[1], 2)
    finite("path", path)
    finite("anchor", anchor)
    orbits = path.transpose(0, 1)  # [n t d]
    means = orbits.mean(1, keepdim=True)
    moving = orbits - means
    variances = torch.linalg.svdvals(moving).square() / len(path)  # [n min(t, d)]
    total = variances.sum(1)
    size = orbits.square().sum(2).mean(1)
    floor = 64 * torch.finfo(path.dtype).eps ** 2 * size
    still = int((total <= floor).sum())
    if still:
        raise ValueError(
            f"orbits must move by more than rounding, got {still} of {len(total)} that "
            "do not. Leave those samples out, or compute in float64."
        )
    shares = variances / total[:, None]
    first, second = orbits.diff(dim=1), orbits.diff(n=2, dim=1)
    bend = torch.linalg.vector_norm(second, dim=2).mean(1)
    common = path.mean((0, 1))
    return OrbitMeasures(
        variance=total / path.shape[2],
        rank=torch.special.entr(shares).sum(1).exp(),
        bend=bend,
        relative_bend=bend / torch.linalg.vector_norm(first, dim=2).mean(1),
        alignment=F.cosine_similarity(path, anchor[None], dim=2).mean(0),
        centred_alignment=F.cosine_similarity(
            path - common, (anchor - common)[None], dim=2
        ).mean(0),
    )
