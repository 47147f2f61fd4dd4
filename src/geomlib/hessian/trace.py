"""Trace of a symmetric operator from random products, with its standard error."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.hessian.operator import SymmetricOperator


@dataclass(frozen=True)
class Trace:
    """Estimate of a trace.

    Attributes:
        value: Mean over the samples, in units of an eigenvalue.
        standard_error: Standard deviation of that mean, from the samples' spread.
        num_matvecs: Products spent.
    """

    value: float
    standard_error: float
    num_matvecs: int


def trace(
    operator: SymmetricOperator, *, num_samples: int, seed: int, block_size: int = 16
) -> Trace:
    r"""Hutchinson's estimate of the sum of the eigenvalues, without bias.

    The mean of :math:`v^\top H v` over vectors of random signs. One sample's variance is
    :math:`2 \sum_{i \ne j} H_{ij}^2`: a diagonal matrix needs no luck, and the standard
    error falls as one over the root of ``num_samples``. Signs are drawn on the CPU, so a
    seed means the same vectors on every device.

    Args:
        operator: Of n rows.
        num_samples: Vectors, at least 2; the standard error itself is known to a share of
            about :math:`1/\sqrt{2 (m - 1)}` of its value for m of them.
        seed: Of the signs; the global random state is not touched.
        block_size: Vectors at a time: memory of 2 n times as many numbers. It changes the
            result by rounding only.

    Raises:
        ValueError: If ``num_samples`` is below 2, ``block_size`` below 1, or a product is
            not finite.

    Source: Hutchinson 1990 (Communications in Statistics 19); the variance is in Avron &
    Toledo 2011 (Journal of the ACM 58).

    >>> from geomlib.hessian.operator import from_matrix
    >>> trace(from_matrix(torch.diag(torch.tensor([1.0, 2.0, 4.0]))), num_samples=2, seed=0)
    Trace(value=7.0, standard_error=0.0, num_matvecs=2)
    """
    at_least("num_samples", num_samples, 2)
    at_least("block_size", block_size, 1)
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    for start in range(0, num_samples, block_size):
        shape = (min(block_size, num_samples - start), operator.size)
        bits = torch.randint(0, 2, shape, generator=generator, dtype=torch.int8)
        signs = (2 * bits - 1).to(operator.device, operator.dtype)
        # Sums of float32 products over millions of entries are taken in float64.
        products = signs * operator.matmat(signs.mT).mT
        found.append(products.sum(1, dtype=torch.float64))
    samples = torch.cat(found)
    finite("products of the operator", samples)
    error = samples.std() / math.sqrt(num_samples)
    return Trace(float(samples.mean()), float(error), num_samples)
