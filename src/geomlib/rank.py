"""How many directions a batch of representations uses, and how evenly.

These are measures, not losses: they look at the values, refuse what has no answer, and
return a scalar tensor on the device of their input.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from geomlib.checks import at_least, finite, positive, same_shape


def effective_rank(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    r"""Exponential of the entropy of the singular values, centred, as shares of their sum.

    :math:`\exp(-\sum_i p_i \log p_i)` with :math:`p_i = \sigma_i / \sum_j \sigma_j`:
    from 1 (one direction) to ``min(n - 1, d)`` (all directions alike).

    Raises:
        ValueError: If ``z`` holds fewer than two rows, a value that is not finite, or
            rows that differ by no more than rounding.

    Source: Roy & Vetterli 2007 (EUSIPCO, "The effective rank: a measure of effective
    dimensionality"). The definition is of any matrix; centring is our choice, so that a
    common offset of all samples is no direction. Singular values, not their squares: the
    entropy of the covariance's eigenvalues is another number, never larger.

    >>> corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(effective_rank(corners + 5.0).item(), 4)
    2.0
    """
    at_least("number of rows in z", len(z), 2)
    finite("z", z)
    singular = torch.linalg.svdvals(z - z.mean(0))
    # A batch of equal rows leaves the rounding of its mean, whose rank means nothing.
    if not singular[0] > 8 * torch.finfo(z.dtype).eps * torch.linalg.matrix_norm(z):
        raise ValueError(
            "z must have rows that differ by more than rounding, "
            f"got a largest centred singular value of {singular[0]:.3g}."
        )
    return torch.special.entr(singular / singular.sum()).sum().exp()


def rankme(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    r"""RankMe: exponential of the entropy of the singular values, **not** centred.

    :math:`\exp(-\sum_i p_i \log p_i)` with
    :math:`p_i = \sigma_i / \|\sigma\|_1 + 10^{-7}`. The shares sum to slightly more than
    1, and each direction that is not used adds 1.6e-6 to the entropy.

    Raises:
        ValueError: If ``z`` holds a value that is not finite, or zeros only.

    Source: Garrido et al. 2023 (arXiv:2210.02885), eq. 1 and 2.

    >>> round(rankme(torch.eye(4)).item(), 4)
    4.0
    """
    finite("z", z)
    singular = torch.linalg.svdvals(z)
    if not singular.sum() > 0:
        raise ValueError(f"z must hold a value other than 0, got {tuple(z.shape)} zeros.")
    return torch.special.entr(singular / singular.sum() + 1e-7).sum().exp()


def participation_ratio(covariance: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    r"""Squared sum of the eigenvalues over the sum of their squares, from 1 to d.

    :math:`(\sum_i \lambda_i)^2 / \sum_i \lambda_i^2`.

    Raises:
        ValueError: If ``covariance`` is not finite, symmetric and positive semi-definite
            with an eigenvalue above zero.

    Source: Gao et al. 2017 (bioRxiv 214262).

    >>> round(participation_ratio(torch.diag(torch.tensor([2.0, 1.0]))).item(), 4)
    1.8
    """
    eigenvalues = _spectrum(covariance)
    return eigenvalues.sum().square() / eigenvalues.square().sum()


def condition_number(covariance: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Largest eigenvalue over the smallest, from 1.

    Raises:
        ValueError: If ``covariance`` is not finite, symmetric and positive semi-definite,
            or is singular: its smallest eigenvalue is at most d times the rounding unit
            times the largest, so that the ratio is rounding.

    >>> round(condition_number(torch.diag(torch.tensor([1.0, 100.0]))).item(), 4)
    100.0
    """
    eigenvalues = _spectrum(covariance)
    if not eigenvalues[0] > _rounding(eigenvalues):
        raise ValueError(
            "covariance must have a finite condition number, got eigenvalues from "
            f"{eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}. Project onto the principal "
            "directions that carry variance first, or compute in float64."
        )
    return eigenvalues[-1] / eigenvalues[0]


def alignment(
    z1: Float[Tensor, "n k"], z2: Float[Tensor, "n k"], *, power: float = 2.0
) -> Float[Tensor, ""]:
    """Mean distance between the directions of two views, to a power: 0 is aligned.

    Args:
        z1: First view; rows are divided by their length here.
        z2: Second view.
        power: Exponent of the distance; the largest possible value is 2**power.

    Raises:
        ValueError: If the shapes differ, there is no row, a row is zero or not finite,
            or ``power`` is not positive and finite.

    Source: Wang & Isola 2020 (arXiv:2005.10242), with their exponent alpha.

    >>> z = torch.tensor([[3.0, 0.0], [0.0, 5.0]])
    >>> alignment(z, -z).item()
    4.0
    """
    same_shape("z1", z1, "z2", z2)
    at_least("number of rows in z1 and z2", len(z1), 1)
    positive("power", power)
    apart = _directions("z1", z1) - _directions("z2", z2)
    return torch.linalg.vector_norm(apart, dim=1).pow(power).mean()


def uniformity(z: Float[Tensor, "n k"], t: float = 2.0) -> Float[Tensor, ""]:
    r"""Log of the mean Gaussian potential over pairs of directions: 0 is collapsed.

    :math:`\log \mathrm{mean}_{i < j} \exp(-t |u_i - u_j|^2)` for :math:`u = z / |z|`;
    lower is more uniform, never below -4t. Holds n(n - 1)/2 distances in memory.

    Args:
        z: Representations; rows are divided by their length here.
        t: Inverse squared width of the potential.

    Raises:
        ValueError: If there are fewer than two rows, a row is zero or not finite, or
            ``t`` is not positive and finite.

    Source: Wang & Isola 2020 (arXiv:2005.10242).

    >>> uniformity(torch.tensor([[1.0, 0.0], [-7.0, 0.0]])).item()
    -8.0
    """
    at_least("number of rows in z", len(z), 2)
    positive("t", t)
    distances = F.pdist(_directions("z", z))  # [n(n-1)/2]
    # Not the log of a mean of exp, which is -inf in float32 once every t |u - u'|^2 > 104.
    return (-t * distances.square()).logsumexp(0) - math.log(len(distances))


def _directions(name: str, z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Rows divided by their length; a row of zeros has no direction and is refused."""
    finite(name, z)
    lengths = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    zeros = int((lengths == 0).sum())
    if zeros:
        raise ValueError(
            f"{name} must have no row of zeros, got {zeros} of {len(z)}. Drop those rows."
        )
    return z / lengths


def _spectrum(covariance: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """Eigenvalues of a covariance in rising order; refuses what cannot be one."""
    finite("covariance", covariance)
    skew = (covariance - covariance.T).abs().max()
    if skew > math.sqrt(torch.finfo(covariance.dtype).eps) * covariance.abs().max():
        raise ValueError(
            f"covariance must be symmetric, got entries that differ by {skew:.3g} "
            "from their mirror image. Average it with its transpose if this is rounding."
        )
    eigenvalues = torch.linalg.eigvalsh(covariance)
    if not (eigenvalues[-1] > 0 and eigenvalues[0] >= -_rounding(eigenvalues)):
        raise ValueError(
            "covariance must have an eigenvalue above 0 and none below, "
            f"got eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}."
        )
    return eigenvalues


def _rounding(eigenvalues: Float[Tensor, " d"]) -> Float[Tensor, ""]:
    """Error that eigenvalues computed in this precision may carry."""
    return len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps * eigenvalues[-1].abs()
