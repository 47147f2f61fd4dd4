r"""Symmetric operators: the Hessian of a loss, its parts, its blocks, sums of them.

A loss is a function of named tensors (parameters or representations) to a scalar, so a
loss that couples the samples of a batch, or two views of them, is the ordinary case.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.hessian._graph import (
    Loss,
    Tensors,
    block_product,
    block_width,
    checked_gradients,
    cuda_devices,
    leaves,
    pieces,
    pulled_back,
    refuse_length,
)
from geomlib.params import unflatten


@dataclass(frozen=True)
class SymmetricOperator:
    """A symmetric matrix known by its products with vectors.

    Attributes:
        matvec: Product with a vector.
        matmat: Product with the columns of a matrix.
        size: Number of rows.
        dtype: Type of the numbers.
        device: Where vectors live.
        shapes: Shape of each named tensor that a vector holds, in order.
        couples_samples: Whether it belongs to a loss declared to couple the samples of a
            batch; such operators cannot be summed over batches.
    """

    matvec: Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]
    matmat: Callable[[Float[Tensor, "n k"]], Float[Tensor, "n k"]]
    size: int
    dtype: torch.dtype
    device: torch.device
    shapes: Mapping[str, torch.Size]
    couples_samples: bool = True

    def unflatten(self, vector: Float[Tensor, " n"]) -> dict[str, Tensor]:
        """Named tensors that a vector holds."""
        like = {
            name: torch.empty(shape, device="meta") for name, shape in self.shapes.items()
        }
        return unflatten(vector, like)

    def to_scipy(self) -> LinearOperator:
        """The same operator for scipy's solvers, which pass NumPy vectors on the CPU."""

        def product(apply: Callable[[Tensor], Tensor], v: Any) -> Any:
            return apply(torch.as_tensor(v).to(self.device, self.dtype)).cpu().numpy()

        def matvec(v: Any) -> Any:
            return product(self.matvec, v.reshape(-1))

        def matmat(v: Any) -> Any:
            return product(self.matmat, v)

        # scipy's class takes its products by name, which its stubs do not know.
        make = cast(Any, LinearOperator)
        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        return make(
            (self.size, self.size),
            matvec=matvec,
            rmatvec=matvec,
            matmat=matmat,
            rmatmat=matmat,
            dtype=dtype,
        )


def from_matrix(matrix: Float[Tensor, "n n"]) -> SymmetricOperator:
    """Operator of a symmetric matrix that is already there.

    Raises:
        ValueError: If it is not finite or not symmetric to working precision.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"matrix must be square, got shape {tuple(matrix.shape)}.")
    finite("matrix", matrix)
    gap = float((matrix - matrix.mT).abs().max())
    if gap > 1e3 * torch.finfo(matrix.dtype).eps * max(float(matrix.abs().max()), 1e-300):
        raise ValueError(f"matrix must be symmetric, got entries that differ by {gap:.3g}.")
    shapes = {"x": torch.Size([len(matrix)])}

    def product(v: Tensor) -> Tensor:
        refuse_length(v, len(matrix))
        return matrix @ v

    return SymmetricOperator(
        product,
        product,
        len(matrix),
        matrix.dtype,
        matrix.device,
        shapes,
        couples_samples=False,
    )


def hessian(loss: Loss, at: Tensors, *, couples_samples: bool = True) -> SymmetricOperator:
    """Hessian of a scalar loss of named tensors.

    The gradient's graph is built once and kept: its memory is about three times that of
    one training step, and a product costs one backward pass through it. ``.grad``,
    ``requires_grad`` and the random state are left as they were.

    Args:
        loss: Scalar function of the named tensors, the same at every call.
        at: Where the Hessian is taken; floating tensors of one dtype and device.
        couples_samples: False where the loss is a mean over the samples of a batch, so
            that Hessians of batches may be summed (``sum_over``).

    Raises:
        ValueError: If ``at`` is empty or holds integers, or the loss is not a scalar, not
            finite, differs from call to call, does not reach a tensor, or has a
            gradient that is not finite.

    Source: Pearlmutter 1994 (Fast exact multiplication by the Hessian), by reverse over
    reverse differentiation with a reused graph.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 4.0]])
    >>> quadratic = hessian(lambda t: t["x"] @ matrix @ t["x"] / 2, {"x": torch.ones(2)})
    >>> quadratic.matvec(torch.tensor([1.0, 0.0]))
    tensor([2., 1.])
    """
    points = leaves(at)
    gradients = checked_gradients(loss, points)
    inputs = list(points.values())

    def product(v: Float[Tensor, "*k n"]) -> Float[Tensor, "*k n"]:
        return pulled_back(gradients, inputs, pieces(v, inputs))

    return _operator(product, gradients, points, couples_samples)


def gauss_newton(
    outputs: Callable[[Tensors], Tensor],
    loss: Callable[[Tensor], Tensor],
    at: Tensors,
    *,
    couples_samples: bool = True,
) -> SymmetricOperator:
    r"""Gauss-Newton matrix :math:`J^\top H_\ell J` of ``loss(outputs(at))``.

    J is the Jacobian of the outputs and :math:`H_\ell` the Hessian of the loss in them.

    Args:
        outputs: Function of the named tensors: embeddings, logits, both views stacked.
        loss: Scalar function of the outputs.
        at: Where it is taken.
        couples_samples: As in ``hessian``.

    Raises:
        ValueError: As ``hessian`` does.

    Source: Schraudolph 2002 (Fast curvature matrix-vector products).
    """
    points = leaves(at)
    _ = checked_gradients(lambda t: loss(outputs(t)), points)
    inputs = list(points.values())
    with torch.random.fork_rng(devices=cuda_devices(points)), torch.enable_grad():
        values = outputs(points)
        # The vector-Jacobian product is linear in u: differentiating it by u gives J v.
        u = torch.zeros_like(values, requires_grad=True)
        back = torch.autograd.grad(
            values, inputs, u, create_graph=True, materialize_grads=True
        )
        middle = values.detach().requires_grad_()
        slope = torch.autograd.grad(loss(middle), middle, create_graph=True)

    def product(v: Float[Tensor, "*k n"]) -> Float[Tensor, "*k n"]:
        forward = pulled_back(back, (u,), pieces(v, inputs))
        curved = pulled_back(slope, (middle,), pieces(forward, (values,)))
        return pulled_back((values,), inputs, pieces(curved, (values,)))

    return _operator(product, (*back, *slope, values), points, couples_samples)


def residual(
    outputs: Callable[[Tensors], Tensor],
    loss: Callable[[Tensor], Tensor],
    at: Tensors,
    *,
    couples_samples: bool = True,
) -> SymmetricOperator:
    r"""Hessian less Gauss-Newton matrix, what the curvature of the outputs adds.

    It is :math:`\sum_i (\partial \ell / \partial z_i) \nabla^2 z_i`: the outputs' Hessian,
    weighed by the loss's gradient held fixed, so it costs one product and not two.

    Args:
        outputs: Function of the named tensors.
        loss: Scalar function of the outputs.
        at: Where it is taken.
        couples_samples: As in ``hessian``.

    Raises:
        ValueError: As ``hessian`` does.
    """
    points = leaves(at)
    _ = checked_gradients(lambda t: loss(outputs(t)), points)
    inputs = list(points.values())
    with torch.random.fork_rng(devices=cuda_devices(points)), torch.enable_grad():
        values = outputs(points)
        middle = values.detach().requires_grad_()
        weights = torch.autograd.grad(loss(middle), middle)
        gradients = torch.autograd.grad(
            values, inputs, weights, create_graph=True, materialize_grads=True
        )

    def product(v: Float[Tensor, "*k n"]) -> Float[Tensor, "*k n"]:
        return pulled_back(gradients, inputs, pieces(v, inputs))

    return _operator(product, gradients, points, couples_samples)


def block(
    operator: SymmetricOperator, which: Sequence[str] | Bool[Tensor, " n"]
) -> SymmetricOperator:
    """Rows and columns of an operator: of named tensors, or where a mask is True.

    Args:
        operator: The whole.
        which: Names of tensors, or a mask over the vector's entries (one weight row, say).

    Raises:
        ValueError: If a name is unknown, or the mask has another length or selects nothing.
    """
    if isinstance(which, Tensor):
        mask = which.to(operator.device)
        if mask.shape != (operator.size,) or mask.dtype != torch.bool:
            raise ValueError(
                f"which must be a mask of {operator.size} booleans, got {mask.dtype} of "
                f"shape {tuple(mask.shape)}."
            )
        shapes = {"selected": torch.Size([int(mask.sum())])}
    else:
        unknown = [name for name in which if name not in operator.shapes]
        if unknown or not which:
            raise ValueError(
                f"which must name tensors of the operator ({', '.join(operator.shapes)}), "
                f"got {', '.join(unknown) or 'none'}."
            )
        parts = [
            torch.full((prod(shape),), name in which)
            for name, shape in operator.shapes.items()
        ]
        mask = torch.cat(parts).to(operator.device)
        shapes = {n: s for n, s in operator.shapes.items() if n in which}
    at_least("number of selected entries", int(mask.sum()), 1)
    index = mask.nonzero().squeeze(1)

    def matmat(v: Float[Tensor, "m k"]) -> Float[Tensor, "m k"]:
        refuse_length(v, len(index))
        whole = v.new_zeros(operator.size, v.shape[1])
        return operator.matmat(whole.index_copy(0, index, v))[index]

    return SymmetricOperator(
        lambda v: matmat(v[:, None])[:, 0],
        matmat,
        len(index),
        operator.dtype,
        operator.device,
        shapes,
        operator.couples_samples,
    )


def sum_over(
    operators: Sequence[SymmetricOperator], num_samples: Sequence[int]
) -> SymmetricOperator:
    """Mean of the batches' operators, each weighed by its number of samples.

    Args:
        operators: One operator a batch, of a loss that is a mean over samples.
        num_samples: Samples in each batch.

    Raises:
        ValueError: If there is no batch, the counts do not match, sizes differ, or a loss
            was declared to couple samples: the sum would then be another quantity.
    """
    at_least("number of operators", len(operators), 1)
    if len(num_samples) != len(operators) or min(num_samples) < 1:
        raise ValueError(
            f"num_samples must hold {len(operators)} counts of at least 1, "
            f"got {list(num_samples)}."
        )
    if any(operator.couples_samples for operator in operators):
        raise ValueError(
            "operators must belong to a loss that is a mean over samples, got one "
            "declared to couple them. Take the whole data as one batch, or pass "
            "couples_samples=False if the loss is a mean."
        )
    first = operators[0]
    for operator in operators:
        if layout(operator) != layout(first):
            raise ValueError(
                "operators must act on the same tensors in the same order, got "
                f"{layout(first)} and {layout(operator)}."
            )
    total = sum(num_samples)
    shares = [count / total for count in num_samples]

    def matmat(v: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        result = torch.zeros_like(v)
        for share, operator in zip(shares, operators, strict=True):
            result += share * operator.matmat(v)
        return result

    return SymmetricOperator(
        lambda v: matmat(v[:, None])[:, 0],
        matmat,
        first.size,
        first.dtype,
        first.device,
        first.shapes,
        couples_samples=False,
    )


def layout(operator: SymmetricOperator) -> str:
    """What a vector of the operator holds, in order and in words."""
    shapes = [f"{name}{list(shape)}" for name, shape in operator.shapes.items()]
    return f"{', '.join(shapes)} ({operator.dtype})"


def _operator(
    product: Callable[[Float[Tensor, "*k n"]], Float[Tensor, "*k n"]],
    graph: Sequence[Tensor],
    points: dict[str, Tensor],
    couples_samples: bool,
) -> SymmetricOperator:
    """Operator of a product that takes one vector, or several as rows."""
    first = next(iter(points.values()))
    size = sum(t.numel() for t in points.values())

    def matvec(v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        refuse_length(v, size)
        return product(v)

    return SymmetricOperator(
        matvec,
        block_product(product, size, block_width(graph)),
        size,
        first.dtype,
        first.device,
        {name: t.shape for name, t in points.items()},
        couples_samples,
    )
