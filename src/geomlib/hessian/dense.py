"""The whole matrix of a symmetric operator, for sizes where it fits."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.hessian.operator import SymmetricOperator


def dense(
    operator: SymmetricOperator, *, chunk_size: int = 128, atol: float = 0.0
) -> Float[Tensor, "n n"]:
    r"""Matrix of the operator, symmetric to the last bit.

    Products with unit vectors, and then the mean of each entry and its mirror image. Both
    halves are computed, so that an operator that is not symmetric is found out.

    Memory: the :math:`n^2` numbers of the result, :math:`4 n` times ``chunk_size`` numbers
    at work, and what ``operator.matmat`` takes, which bounds itself. In float32 that is
    40 MB for n = 3,152 and 40 GB for n = 100,000.

    Args:
        operator: Of n rows; its ``matmat`` is called n / ``chunk_size`` times.
        chunk_size: Columns asked for at a time.
        atol: Difference from the mirror image that is rounding, whatever the largest
            entry: for a matrix that may be zero up to rounding.

    Raises:
        ValueError: If ``chunk_size`` is below 1, ``atol`` negative, an entry is not
            finite, or an entry and its mirror image differ by more than rounding: by more
            than ``atol`` and than :math:`\sqrt{\epsilon}` (3e-4 in float32, 1.5e-8 in
            float64) of the largest.

    >>> from geomlib.hessian.operator import hessian
    >>> saddle = hessian(lambda t: t["x"][0] * t["x"][1], {"x": torch.ones(2)})
    >>> dense(saddle)
    tensor([[0., 1.],
            [1., 0.]])
    """
    at_least("chunk_size", chunk_size, 1)
    at_least("atol", atol, 0.0)
    n = operator.size
    matrix = torch.empty(n, n, dtype=operator.dtype, device=operator.device)
    chunks = [slice(i, min(i + chunk_size, n)) for i in range(0, n, chunk_size)]
    for rows in chunks:
        units = matrix.new_zeros(rows.stop - rows.start, n)
        units[:, rows].fill_diagonal_(1.0)
        # Columns are written as rows, which lie together: the transpose is as good.
        matrix[rows] = operator.matmat(units.mT).mT
    # The largest entry carries any NaN or infinity; a mask would cost another matrix.
    largest = torch.linalg.vector_norm(matrix, math.inf)
    if not largest.isfinite():
        finite("matrix of the operator", matrix)
    gap = matrix.new_zeros(())
    for rows in chunks:
        upper, lower = matrix[rows, rows.start :], matrix[rows.start :, rows].mT
        gap = torch.maximum(gap, torch.linalg.vector_norm(upper - lower, math.inf))
        mean = (upper + lower) / 2
        matrix[rows, rows.start :] = mean
        matrix[rows.start :, rows] = mean.mT
    if float(gap) > max(torch.finfo(matrix.dtype).eps ** 0.5 * float(largest), atol):
        raise ValueError(
            f"operator must be symmetric, got entries that differ by {float(gap):.3g} from "
            f"their mirror images, the largest entry being {float(largest):.3g}. "
            "If rounding is to blame, use float64, or pass atol for a matrix near zero."
        )
    return matrix
