"""Leading growth rate of a linear flow: the rightmost eigenvalue, by Arnoldi."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Complex128, Float64
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor

from geomlib.checks import at_least, positive

DENSE = 200  # up to this size all columns are taken: as cheap, and nothing is missed


@dataclass(frozen=True)
class Growth:
    """The eigenvalue of largest real part of a matrix that need not be symmetric.

    Attributes:
        rate: Its real part: logarithms a unit of time in which a displacement grows.
        frequency: Its imaginary part, not negative: radians a unit of time in which it
            turns.
        vector: Its eigenvector, of norm 1.
        residual: Norm of A v - eigenvalue v. For a matrix that is not normal the error
            may be larger, by the eigenvalue's condition number.
        converged: Whether the residual is within the tolerance.
        num_matvecs: Products taken.
    """

    rate: float
    frequency: float
    vector: Complex128[Tensor, " n"]
    residual: float
    converged: bool
    num_matvecs: int


def leading_growth(
    matvec: Callable[[Tensor], Tensor],
    size: int,
    *,
    tolerance: float = 1e-6,
    num_values: int = 3,
    num_basis: int = 60,
    max_matvecs: int = 6000,
    dense_size: int = DENSE,
    device: torch.device | str = "cpu",
    seed: int,
) -> Growth:
    r"""Rightmost eigenvalue of a real matrix known by its products.

    With the Jacobian of a field (``stop_gradient_field``) at a point where the field is
    zero, a positive rate is the rate at which small displacements leave. Where the field
    is not zero the point moves too, and a positive rate may be that of its own drift.

    Args:
        matvec: Product with a float64 vector.
        size: Rows of the matrix.
        tolerance: Largest residual accepted, in units of the eigenvalue: small against
            the rates that are to be told apart.
        num_values: Eigenvalues to look for, of which the rightmost is returned: close
            neighbours stop the search from settling on the second.
        num_basis: Vectors kept between restarts.
        max_matvecs: Products after which to stop; about, as a restart is not broken off.
        dense_size: Up to this size the whole matrix is formed.
        device: Where ``matvec`` wants its vectors.
        seed: Of the first vector.

    Returns:
        The eigenvalue with its residual. Where nothing converged at all the rate is NaN,
        the residual infinite and ``converged`` False.

    Raises:
        ValueError: If a number is out of range or a product is not finite.

    Source: Lehoucq, Sorensen & Yang 1998 (ARPACK) by way of ``scipy.sparse.linalg.eigs``.

    >>> turning = torch.tensor([[0.5, -2.0], [2.0, 0.5]], dtype=torch.float64)
    >>> growth = leading_growth(lambda v: turning @ v, 2, seed=0)
    >>> round(growth.rate, 12), round(growth.frequency, 12), growth.converged
    (0.5, 2.0, True)
    """
    at_least("size", size, 1)
    positive("tolerance", tolerance)
    at_least("num_values", num_values, 1)
    at_least("num_basis", num_basis, num_values + 2)
    at_least("max_matvecs", max_matvecs, num_basis)
    num_matvecs = 0

    def product(v: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        nonlocal num_matvecs
        num_matvecs += 1
        vector = torch.from_numpy(np.ascontiguousarray(v).reshape(-1)).to(device)
        result = matvec(vector).detach().cpu().double().numpy()
        bad = int((~np.isfinite(result)).sum())
        if bad:
            raise ValueError(
                f"matvec must return finite numbers, got {bad} bad of {size} at product "
                f"{num_matvecs}."
            )
        return result

    if size <= max(dense_size, num_basis + 1):
        matrix = np.stack([product(column) for column in np.eye(size)], axis=1)
        values, vectors = np.linalg.eig(matrix)
    else:
        start = np.random.default_rng(seed).standard_normal(size)
        values, vectors = _arnoldi(
            product, start, tolerance, num_values, num_basis, max_matvecs
        )
    if not len(values):
        empty = torch.full((size,), math.nan, dtype=torch.complex128)
        return Growth(math.nan, math.nan, empty, math.inf, False, num_matvecs)
    # Of a conjugate pair the one that turns forward.
    best = max(range(len(values)), key=lambda i: (values[i].real, values[i].imag))
    value, v = complex(values[best]), vectors[:, best].astype(np.complex128)
    v /= np.linalg.norm(v)
    image = product(v.real.copy()) + 1j * product(v.imag.copy())
    residual = float(np.linalg.norm(image - value * v))
    return Growth(
        value.real,
        abs(value.imag),
        torch.from_numpy(v),
        residual,
        residual <= tolerance,
        num_matvecs,
    )


def _arnoldi(
    product: Callable[[np.ndarray], np.ndarray],
    start: Float64[np.ndarray, " n"],
    tolerance: float,
    num_values: int,
    num_basis: int,
    max_matvecs: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenpairs of the largest real parts, those that converged."""
    size = len(start)
    # SciPy's own types are wrong about both: a tolerance is no whole number.
    make, solve = cast(Any, LinearOperator), cast(Any, eigs)
    operator = make((size, size), matvec=product, dtype=np.float64)
    # ARPACK's own tolerance is relative to each value, which here may be tiny: it is
    # given the one that a value of the size of the whole matrix would need.
    scale = float(np.linalg.norm(product(start)) / np.linalg.norm(start))
    try:
        return solve(
            operator,
            k=num_values,
            which="LR",
            ncv=num_basis,
            v0=start,
            tol=min(1e-3, tolerance / max(scale, tolerance)),
            maxiter=max(1, max_matvecs // (num_basis - num_values)),
        )
    except ArpackNoConvergence as error:
        return error.eigenvalues, error.eigenvectors
