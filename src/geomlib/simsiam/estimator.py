r"""The published estimate of a Hessian's smallest eigenvalue, iterate by iterate.

Two phases of power steps: on H, for an end :math:`\mu` of its spectrum, then on
:math:`H - \mu I`, for the other end. A vector is divided by its norm plus 1e-8. Both are
causes of error. A fixed number of steps need not have converged, and where the norm of
H v is not far above 1e-8 the vector shrinks at each step until nothing is left of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least


@dataclass(frozen=True)
class Estimate:
    """Both phases of the estimator, with every iterate.

    Attributes:
        first: Quotient v·Hv after each step on H; the last is the shift of the second.
        second: Quotient v·Hv after each step on H less the shift.
        norms: Norm of the vector after each of the m = 2 k steps of both phases: 1, unless
            the floor under the division bites.
    """

    first: Float[Tensor, " k"]
    second: Float[Tensor, " k"]
    norms: Float[Tensor, " m"]

    @property
    def smallest(self) -> float:
        """What the estimator reports."""
        return float(self.second[-1])


def published_estimate(
    matvec: Callable[[Tensor], Tensor],
    size: int,
    *,
    num_steps: int = 20,
    floor: float = 1e-8,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    seed: int,
) -> Estimate:
    r"""Estimate of a smallest eigenvalue by power steps, as the published tracker's.

    To tell its two causes of error apart: ``floor=0`` removes the underflow, a large
    ``num_steps`` the lack of convergence, ``dtype=torch.float64`` the rounding.

    Args:
        matvec: Product of the symmetric matrix with a vector of that dtype.
        size: Rows of the matrix.
        num_steps: Steps of each phase.
        floor: What is added to a norm before a vector is divided by it.
        dtype: Type of the vectors.
        device: Where ``matvec`` wants its vectors.
        seed: Of the first vectors, one a phase.

    Raises:
        ValueError: If ``size`` or ``num_steps`` is below 1, or ``floor`` negative or NaN.

    Source: the tracker that came with Chaudhry 2026, written anew from what it does: normal
    first vectors, float32, 20 and 20 steps, norm plus 1e-8, and quotients v·Hv of the
    vector as the floor left it, undivided. It averages five batches' estimates an epoch.

    >>> matrix = torch.diag(torch.tensor([4.0, 1.0, -1.0]))
    >>> round(published_estimate(lambda v: matrix @ v, 3, seed=0).smallest, 4)
    -1.0
    >>> tiny = 1e-10 * matrix
    >>> published_estimate(lambda v: tiny @ v, 3, seed=0).smallest
    0.0
    """
    at_least("size", size, 1)
    at_least("num_steps", num_steps, 1)
    at_least("floor", floor, 0)
    generator = torch.Generator().manual_seed(seed)
    norms: list[Tensor] = []

    def phase(shift: Float[Tensor, ""]) -> Float[Tensor, " k"]:
        v = torch.randn(size, generator=generator, dtype=torch.float64)
        v = (v / v.norm()).to(device, dtype)
        product = matvec(v)
        quotients: list[Tensor] = []
        for _ in range(num_steps):
            v = product - shift * v
            norm = v.norm() + floor
            # Without a floor a vector of zeros stays one.
            v = torch.where(norm > 0, v / norm, v)
            product = matvec(v)
            quotients.append(v @ product)
            norms.append(v.norm())
        return torch.stack(quotients)

    first = phase(torch.zeros((), dtype=dtype, device=device))
    second = phase(first[-1])
    return Estimate(first, second, torch.stack(norms))
