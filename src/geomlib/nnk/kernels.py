"""Kernels of pairs of samples, both 1 where the two are the same."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import finite, one_of, positive

Kernel = Literal["gaussian", "cosine"]
KERNELS = get_args(Kernel)


def prepared(features: Float[Tensor, "n d"], kernel: Kernel) -> Float[Tensor, "n d"]:
    """Features in float64 as ``kernel_matrix`` takes them: unit rows for the cosine.

    Raises:
        ValueError: If the kernel is unknown, a feature is not finite, or a row is zero
            where its direction is asked for.

    >>> prepared(torch.tensor([[3.0, 4.0]]), "cosine")
    tensor([[0.6000, 0.8000]], dtype=torch.float64)
    """
    one_of("kernel", kernel, KERNELS)
    finite("features", features)
    x = features.detach().double()
    if kernel == "gaussian":
        return x
    lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    zeros = int((lengths == 0).sum())
    if zeros:
        raise ValueError(
            f"features must have no row of zeros for the cosine kernel, got {zeros} of "
            f"{len(x)}. Drop those rows, or take the Gaussian kernel."
        )
    return x / lengths


def kernel_matrix(
    a: Float[Tensor, "*b n d"],
    b: Float[Tensor, "*b m d"],
    kernel: Kernel,
    *,
    width: float = 1.0,
) -> Float[Tensor, "*b n m"]:
    r"""Kernel of each row of ``a`` with each row of ``b``.

    Gaussian :math:`\exp(-|a - b|^2 / 2 w^2)`; cosine :math:`\tfrac12 + \tfrac12 a^\top b`
    of unit rows, which is a product of features too: of :math:`(1, a) / \sqrt2`.

    Args:
        a: Rows as ``prepared`` gives them.
        b: Likewise.
        kernel: ``gaussian`` or ``cosine``.
        width: w, in the features' unit; the cosine has none.

    Raises:
        ValueError: If the kernel is unknown or ``width`` is not positive and finite.

    Source: Shekkizhar & Ortega 2020 for both in this use.

    >>> one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> kernel_matrix(one, other, "cosine").item()
    0.5
    """
    one_of("kernel", kernel, KERNELS)
    positive("width", width)
    if kernel == "cosine":
        return (1 + a @ b.mT) / 2
    # The differences themselves: |a|^2 + |b|^2 - 2 a.b loses half the digits of a small
    # distance, and with them the difference between a duplicate and a close neighbour.
    distance = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (distance.square() / (-2 * width**2)).exp()
