"""Spectral density of a symmetric operator by stochastic Lanczos quadrature."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite, positive
from geomlib.hessian.operator import SymmetricOperator

# The default grid ends this many bandwidths beyond the outermost nodes, where a Gaussian
# has 6e-7 of its mass left.
_MARGIN = 5.0


@dataclass(frozen=True)
class SpectralDensity:
    """Smoothed density of eigenvalues, float64 on the CPU.

    Attributes:
        points: Where the density is given, ascending, in units of an eigenvalue.
        density: Share of the eigenvalues per unit of eigenvalue; it integrates to 1 over
            a grid that holds the spectrum.
        band: Standard error of the density at each point, from the start vectors' spread.
        nodes: Ritz values, one row a start vector, ascending.
        weights: Share of the eigenvalues that a node stands for; each row sums to 1.
        num_matvecs: Products spent.
    """

    points: Float[Tensor, " p"]
    density: Float[Tensor, " p"]
    band: Float[Tensor, " p"]
    nodes: Float[Tensor, "v m"]
    weights: Float[Tensor, "v m"]
    num_matvecs: int


def spectral_density(
    operator: SymmetricOperator,
    *,
    num_vectors: int,
    num_steps: int,
    bandwidth: float,
    seed: int,
    grid: Float[Tensor, " p"] | None = None,
    num_points: int = 1000,
    block_size: int = 1,
) -> SpectralDensity:
    r"""Density of the eigenvalues, each smoothed by a Gaussian, with its standard error.

    A start vector v of random direction weighs eigenvalue :math:`\lambda_i` by
    :math:`(u_i^\top v)^2`, on average 1/n. Lanczos steps from it give a Gauss quadrature
    of that measure: the eigenvalues :math:`\theta_k` of the tridiagonal matrix, weighed by
    the squared first entries :math:`\tau_k^2` of its eigenvectors. The density at t is
    the mean over start vectors of :math:`\sum_k \tau_k^2 \, N(t; \theta_k, \sigma^2)`.

    The band holds the start vectors' luck. It does not hold the bias of few steps, which
    falls exponentially in ``num_steps`` times ``bandwidth`` over the spectrum's length, nor
    that of smoothing. Where the Krylov space is used up (few distinct eigenvalues) the
    quadrature is exact, and further steps only repeat nodes or add some of weight 0.

    Args:
        operator: Of n rows.
        num_vectors: Start vectors, at least 2.
        num_steps: Lanczos steps from each; no more than n are taken. Moments up to
            ``2 * num_steps - 1`` of each vector's measure are exact.
        bandwidth: :math:`\sigma`, in units of an eigenvalue.
        seed: Of the start vectors, drawn on the CPU; the global random state is not
            touched.
        grid: Where to give the density, ascending. By default ``num_points`` of equal
            distance, up to 5 bandwidths beyond the outermost nodes.
        num_points: Points of the default grid, at most one bandwidth apart.
        block_size: Start vectors at a time. Memory is n times ``num_steps`` times as many
            numbers, for the full reorthogonalisation.

    Raises:
        ValueError: If ``num_vectors`` or ``num_points`` is below 2, ``num_steps`` or
            ``block_size`` below 1, ``bandwidth`` is not positive, ``grid`` is not
            ascending or ``num_points`` too few, or a product is not finite.

    Source: Ghorbani et al. 2019 (arXiv:1901.10159), Algorithm 1, in units of eigenvalues
    where they rescale to [-1, 1]; Lin, Saad & Yang 2016 (arXiv:1308.5467); Ubaru, Chen &
    Saad 2017 (SIAM J. Matrix Anal. Appl. 38) for the error of the quadrature.

    >>> from geomlib.hessian.operator import from_matrix
    >>> half = from_matrix(torch.diag(torch.tensor([0.0, 0.0, 2.0, 2.0])))
    >>> found = spectral_density(half, num_vectors=2, num_steps=2, bandwidth=0.1, seed=0)
    >>> bool((found.nodes - torch.tensor([0.0, 2.0])).abs().max() < 1e-6)
    True
    """
    at_least("num_vectors", num_vectors, 2)
    at_least("num_steps", num_steps, 1)
    at_least("num_points", num_points, 2)
    at_least("block_size", block_size, 1)
    positive("bandwidth", bandwidth)
    if grid is not None:
        grid = grid.detach().to("cpu", torch.float64)
        _refuse_unordered(grid)
    generator = torch.Generator().manual_seed(seed)
    steps = min(num_steps, operator.size)
    matrices: list[Tensor] = []
    for first in range(0, num_vectors, block_size):
        # One by one: torch fills a matrix with other numbers than its rows.
        draws = [
            torch.randn(operator.size, generator=generator, dtype=torch.float64)
            for _ in range(min(block_size, num_vectors - first))
        ]
        start = torch.stack(draws).to(operator.device, operator.dtype)
        matrices.append(_tridiagonal(operator, start, steps))
    nodes, vectors = torch.linalg.eigh(torch.cat(matrices))
    weights = vectors[:, 0].square()

    points = _grid(nodes, weights, bandwidth, num_points) if grid is None else grid
    densities = _smoothed(points, nodes, weights, bandwidth)  # [v p]
    band = densities.std(0) / math.sqrt(num_vectors)
    return SpectralDensity(
        points, densities.mean(0), band, nodes, weights, num_vectors * steps
    )


def _tridiagonal(
    operator: SymmetricOperator, start: Float[Tensor, "v n"], steps: int
) -> Float[Tensor, "v m m"]:
    """Lanczos matrices from each row of ``start``, float64 on the CPU."""
    eps = torch.finfo(operator.dtype).eps
    basis = start.new_zeros(len(start), steps, operator.size)
    basis[:, 0] = start / torch.linalg.vector_norm(start, dim=1, keepdim=True)
    diagonal = start.new_zeros(len(start), steps)
    beside = start.new_zeros(len(start), steps)
    for j in range(steps):
        w = operator.matmat(basis[:, j].mT).mT
        diagonal[:, j] = (basis[:, j] * w).sum(1)
        scale = torch.linalg.vector_norm(w, dim=1)
        if j + 1 == steps:
            break
        # Against the whole basis, twice: once leaves what rounding has put back.
        known = basis[:, : j + 1]  # [v j n]
        for _ in range(2):
            overlap = known @ w[:, :, None]
            w = w - (overlap.mT @ known)[:, 0]
        beta = torch.linalg.vector_norm(w, dim=1)
        # What rounding alone leaves is no new direction. A space that is used up goes on
        # with zero vectors: their nodes are zero and weigh nothing, and no GPU waits.
        # Noise that passes adds nothing either: it is coupled by a beta of its own size.
        beta = torch.where(beta > 10 * eps * scale, beta, 0.0)
        beside[:, j] = beta
        basis[:, j + 1] = torch.where(beta > 0, 1 / beta, 0.0)[:, None] * w
    matrix = torch.diag_embed(diagonal) + 2 * torch.diag_embed(beside[:, :-1], 1)
    matrix = ((matrix + matrix.mT) / 2).to("cpu", torch.float64)
    finite("products of the operator", matrix)
    return matrix


def _refuse_unordered(grid: Float[Tensor, " p"]) -> None:
    """Refuse a grid that is not finite and ascending."""
    at_least("number of points in grid", len(grid), 2)
    finite("grid", grid)
    least = float(grid.diff().min())
    if not least > 0:
        raise ValueError(f"grid must be ascending, got a step of {least:.3g}.")


def _grid(
    nodes: Float[Tensor, "v m"],
    weights: Float[Tensor, "v m"],
    bandwidth: float,
    num_points: int,
) -> Float[Tensor, " p"]:
    """Equal steps over the nodes that weigh something, and a margin."""
    held = nodes[weights > 0]
    low = float(held.min()) - _MARGIN * bandwidth
    high = float(held.max()) + _MARGIN * bandwidth
    fewest = math.ceil((high - low) / bandwidth) + 1
    if num_points < fewest:
        raise ValueError(
            f"num_points must be at least {fewest}, for a spectrum from {low:.3g} to "
            f"{high:.3g} in steps of the bandwidth, got {num_points}. Or widen the "
            "bandwidth, or pass a grid."
        )
    return torch.linspace(low, high, num_points, dtype=torch.float64)


def _smoothed(
    points: Float[Tensor, " p"],
    nodes: Float[Tensor, "v m"],
    weights: Float[Tensor, "v m"],
    bandwidth: float,
) -> Float[Tensor, "v p"]:
    """Sums of Gaussians about the nodes, one row a start vector."""
    apart = (points[:, None] - nodes[:, None, :]) / bandwidth  # [v p m]
    bells = torch.exp(-apart.square() / 2) / (bandwidth * math.sqrt(2 * math.pi))
    return (bells @ weights[:, :, None])[:, :, 0]
