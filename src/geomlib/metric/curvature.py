"""How fast the Jacobian of a head turns: zero for affine heads."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import same_shape
from geomlib.metric.pullback import Head, jacobian_of, refuse_mixing

_Pair = tuple[Tensor, Callable[[Tensor], tuple[Tensor]]]


def curvature(
    head: Head, h: Float[Tensor, "n d"], directions: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    r"""Relative change of the head's Jacobian along a direction, per unit of length.

    :math:`\|\partial_u J\|_F \,/\, \|J\|_F` at each sample, for the unit vector :math:`u`
    of the direction given. Its inverse is the distance over which the metric lasts.

    Args:
        head: Map of rows, ``[n d]`` to ``[n k]``, each row by itself.
        h: Representations.
        directions: One per sample; rows are divided by their length here.

    Raises:
        ValueError: If the shapes differ, a direction is zero, ``head`` mixes samples, or
            the Jacobian is zero at a sample.

    >>> h = torch.tensor([[3.0, 4.0]])
    >>> curvature(lambda h: h.square().sum(1, keepdim=True), h, torch.ones(1, 2))
    tensor([0.2000])
    """
    same_shape("h", h, "directions", directions)
    refuse_mixing(head, h)
    lengths = torch.linalg.vector_norm(directions, dim=1, keepdim=True)

    def field(points: Tensor) -> Tensor:
        return jacobian_of(head, points)

    with torch.no_grad():
        # dJ(u) by two reverse passes: w -> dJ^T w is linear, and its transpose is dJ.
        J, pull = cast(_Pair, torch.func.vjp(field, h))

        def transposed(w: Tensor) -> Tensor:
            return pull(w)[0]

        push = cast(_Pair, torch.func.vjp(transposed, torch.zeros_like(J)))[1]
        change = push(directions / lengths)[0]
        size = torch.linalg.matrix_norm(J)
        for name, sizes in (("directions", lengths), ("the Jacobians", size)):
            if bad := int((~(sizes > 0)).sum()):
                raise ValueError(
                    f"{name} must all be other than 0, got {bad} of {len(h)} that are "
                    "not. Drop those samples."
                )
        return torch.linalg.matrix_norm(change) / size
