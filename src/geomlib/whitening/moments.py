r"""Second moments of two views and what a linear head can see of them.

Two views :math:`h, h'` of one sample have covariance :math:`\Sigma` and cross-view
covariance :math:`C`. In whitened coordinates :math:`C` becomes
:math:`K = \Sigma^{-1/2} C \Sigma^{-1/2} = V \,\mathrm{diag}(\rho)\, V^\top`, whose
eigenvalues are the canonical correlations of the two views.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite


@dataclass(frozen=True)
class Moments:
    r"""Second moments of two exchangeable views, both symmetric.

    Attributes:
        covariance: :math:`\Sigma` of one view, in squared representation units.
        cross: :math:`C = E[h h'^\top]` of the centred views, same units.
    """

    covariance: Float[Tensor, "d d"]
    cross: Float[Tensor, "d d"]


@dataclass(frozen=True)
class Canonical:
    """Canonical correlations, the directions that carry them, and the whitening map.

    Attributes:
        correlations: rho, descending, without unit.
        directions: Orthonormal columns V in whitened coordinates, in the same order.
        root: Symmetric square root of the covariance, in representation units.
        inverse_root: Its inverse.
    """

    correlations: Float[Tensor, " d"]
    directions: Float[Tensor, "d d"]
    root: Float[Tensor, "d d"]
    inverse_root: Float[Tensor, "d d"]


def canonical(moments: Moments) -> Canonical:
    r"""Canonical correlations of two views and their directions.

    Raises:
        ValueError: If the covariance is not positive definite to working precision; the
            cure is to project the representations first (``principal_subspace``).

    >>> sigma = torch.diag(torch.tensor([4.0, 1.0]))
    >>> canonical(Moments(sigma, torch.diag(torch.tensor([1.0, 0.5])))).correlations
    tensor([0.5000, 0.2500])

    Source: Hotelling 1936 (Relations between two sets of variates), for two views with
    one covariance.
    """
    values, vectors = torch.linalg.eigh(moments.covariance)
    floor = float(values[-1]) * torch.finfo(values.dtype).eps * len(values)
    if not float(values[0]) > floor:
        raise ValueError(
            f"covariance must be positive definite, got eigenvalues "
            f"from {float(values[0]):.3g} to {float(values[-1]):.3g}. Project the "
            "representations onto their principal subspace first."
        )
    root = vectors @ torch.diag(values.sqrt()) @ vectors.mT
    inverse_root = vectors @ torch.diag(values.rsqrt()) @ vectors.mT
    whitened = inverse_root @ moments.cross @ inverse_root
    rho, directions = torch.linalg.eigh((whitened + whitened.mT) / 2)
    return Canonical(rho.flip(0), directions.flip(1), root, inverse_root)


def moments_of_views(views: Float[Tensor, "v n d"]) -> Moments:
    r"""Moments from ``v`` augmented views of each of ``n`` samples.

    The covariance pools all views; the cross-view covariance averages over all ordered
    pairs of different views, so it uses v(v - 1) pairs at the cost of v: with the sum
    :math:`s_i = \sum_a h_i^a` it is :math:`(\sum_i s_i s_i^\top - \sum_{a,i} h_i^a
    h_i^{a\top}) / (n v (v-1))`.

    Raises:
        ValueError: If there are fewer than two views or two samples, or an entry is
            not finite.
    """
    num_views, num_samples, dim = views.shape
    at_least("number of views", num_views, 2)
    at_least("number of samples", num_samples, 2)
    finite("views", views)
    centred = views - views.mean(dim=(0, 1))
    flat = centred.reshape(-1, dim)
    total = flat.mT @ flat
    sums = centred.sum(dim=0)
    pairs = num_samples * num_views * (num_views - 1)
    return Moments(total / len(flat), (sums.mT @ sums - total) / pairs)


def principal_subspace(
    moments: Moments, *, threshold: float = 1e-4
) -> Float[Tensor, "d p"]:
    """Orthonormal basis of the principal directions above a share of the largest.

    Dead units of a ReLU network make a covariance singular; its inverse then says more
    about rounding than about the data.

    Args:
        moments: Moments of the representations.
        threshold: Keep eigenvalues above ``threshold`` times the largest.
    """
    values, vectors = torch.linalg.eigh(moments.covariance)
    return vectors[:, values > threshold * values[-1]].flip(1)


def project(moments: Moments, basis: Float[Tensor, "d p"]) -> Moments:
    """Moments of the coordinates ``basis.T @ h``."""
    return Moments(basis.mT @ moments.covariance @ basis, basis.mT @ moments.cross @ basis)


def synthetic(correlations: Float[Tensor, " d"], *, condition: float, seed: int) -> Moments:
    r"""Moments with given canonical correlations and a given condition number.

    The covariance has eigenvalues that fall geometrically from 1 to 1 / ``condition``
    along a random basis; the canonical directions are an independent random basis, so
    no canonical direction is a principal one.

    Args:
        correlations: Canonical correlations, each in [0, 1).
        condition: Condition number of the covariance, at least 1.
        seed: Seed of both random bases.

    Raises:
        ValueError: If a correlation is outside [0, 1), or ``condition`` is below 1.
    """
    at_least("condition", condition, 1)
    if not bool(((correlations >= 0) & (correlations < 1)).all()):
        raise ValueError(f"correlations must lie in [0, 1), got {correlations.tolist()}.")
    generator = torch.Generator().manual_seed(seed)
    dim = len(correlations)
    exponents = torch.linspace(0, 1, dim, dtype=correlations.dtype)
    principal = _random_basis(dim, generator).to(correlations.dtype)
    directions = _random_basis(dim, generator).to(correlations.dtype)
    eigenvalues = condition**-exponents
    root = principal @ torch.diag(eigenvalues.sqrt()) @ principal.mT
    whitened = directions @ torch.diag(correlations) @ directions.mT
    return Moments(root @ root, root @ whitened @ root)


def _random_basis(dim: int, generator: torch.Generator) -> Float[Tensor, "d d"]:
    gaussian = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(gaussian).Q
