r"""Curvature that a linear head gives the loss under it, in coordinates of one's choice.

The loss :math:`\|S - T\|_F^2` of an output covariance has the Gauss-Newton matrix
:math:`2 J^\top J`, with J the Jacobian of S. Moving a backbone by E moves S by
:math:`L E R^\top + R E^\top L^\top`, where L is what acts on E from the left and R what
is fixed on its right; which coordinates E is measured in decides both.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def gauss_newton_spectrum(
    left: Float[Tensor, "k a"], right: Float[Tensor, "k b"]
) -> Float[Tensor, " n"]:
    r"""Eigenvalues, ascending, of the Gauss-Newton matrix on the directions that move S.

    Directions that leave S as it is (rotations, to first order) have eigenvalue zero and
    are left out: of the ``a b`` eigenvalues the largest ``k (k + 1) / 2`` remain.

    Args:
        left: L, the map from the perturbation's rows to the outputs.
        right: R, the map from the perturbation's columns to the outputs.

    Raises:
        ValueError: If the perturbation has too few entries to move S in every direction.

    >>> identity = torch.eye(2)
    >>> gauss_newton_spectrum(identity, identity)
    tensor([8., 8., 8.])
    """
    num_outputs, num_rows = left.shape
    num_columns = right.shape[1]
    rank = num_outputs * (num_outputs + 1) // 2
    if min(num_rows, num_columns) < num_outputs:
        raise ValueError(
            f"left and right must have at least {num_outputs} columns each to move every "
            f"output, got {num_rows} x {num_columns}."
        )
    # J[ab, ij] = L[a, i] R[b, j] + L[b, i] R[a, j]
    half = torch.einsum("ai,bj->abij", left, right)
    jacobian = (half + half.transpose(0, 1)).reshape(num_outputs**2, -1)
    # The smaller Gram matrix has the same eigenvalues apart from zeros.
    return torch.linalg.eigvalsh(2 * jacobian @ jacobian.mT)[-rank:]
