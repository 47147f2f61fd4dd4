"""The graph of a loss's gradient: checked once, kept, and pulled back through."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from geomlib.checks import at_least, finite
from geomlib.params import flatten

Tensors = Mapping[str, Tensor]
Loss = Callable[[Tensors], Tensor]

# Fewer columns cost as little one by one. A graph so large that fewer than 16 fit in a
# block keeps a CPU thread busy by itself: blocks lost a fifth there (measured).
_LEAST_COLUMNS = 4
_LEAST_WIDTH = 16
# Bytes of cotangents in flight. More leaves a CPU's cache and gains nothing; a GPU only
# has to hold them.
_BLOCK_BYTES = {"cpu": 2**26}
_BLOCK_BYTES_ELSEWHERE = 2**30


def leaves(at: Tensors) -> dict[str, Tensor]:
    """Detached copies that gradients flow to: the caller's tensors are left alone."""
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "curvature must be taken outside torch.inference_mode, which keeps no graph. "
            "Use torch.no_grad for the code around it."
        )
    whole = [name for name, tensor in at.items() if not tensor.is_floating_point()]
    if whole:
        raise ValueError(
            f"at must hold floating tensors, got {at[whole[0]].dtype} in {whole[0]!r}."
        )
    at_least("number of entries in at", sum(t.numel() for t in at.values()), 1)
    # Refuses mixed dtypes and mixed devices.
    finite("at", flatten(at))
    return {name: t.detach().clone().requires_grad_() for name, t in at.items()}


def checked_gradients(loss: Loss, points: dict[str, Tensor]) -> list[Tensor]:
    """Gradients with their graph, after every check that needs the loss's value."""
    with torch.random.fork_rng(devices=cuda_devices(points)), torch.enable_grad():
        value = cast(object, loss(points))
        if not isinstance(value, Tensor):
            raise ValueError(
                f"loss must return a tensor, got {type(value).__name__}. Leave out item()."
            )
        if value.numel() != 1:
            raise ValueError(
                f"loss must return a scalar, got shape {tuple(value.shape)}. Take its mean."
            )
        value = value.reshape(())
        again = float(loss(points).detach())
    if not value.requires_grad:
        raise ValueError("loss must depend on a tensor in at, got a constant.")
    finite("loss", value)
    first, slack = float(value.detach()), 1e3 * torch.finfo(value.dtype).eps
    # Two sums in another order may differ in the last digits; a fresh batch differs more.
    if not abs(first - again) <= slack * abs(again):  # NaN included
        raise ValueError(
            f"loss must be the same at every call, got {first:.9g} and {again:.9g}. "
            "Switch dropout off, and draw the batch before, not in the loss."
        )
    inputs = list(points.values())
    found = torch.autograd.grad(value, inputs, create_graph=True, allow_unused=True)
    gradients: list[Tensor] = []
    for name, gradient in zip(points, cast("list[Tensor | None]", found), strict=True):
        if gradient is None:
            raise ValueError(
                f"loss must reach every tensor in at, got no gradient for {name!r}. "
                "Leave it out, or use the tensors that the loss is given."
            )
        finite(f"gradient by {name}", gradient)
        gradients.append(gradient)
    return gradients


def cuda_devices(points: dict[str, Tensor]) -> list[int]:
    return sorted({t.get_device() for t in points.values() if t.is_cuda})


def refuse_length(vectors: Tensor, size: int) -> None:
    """Refuse vectors of another length."""
    if len(vectors) != size:
        raise ValueError(f"vector must have {size} entries, got {len(vectors)}.")


def pieces(v: Float[Tensor, "*k n"], like: Sequence[Tensor]) -> list[Tensor]:
    """The tensors that a vector holds, or every row of a matrix."""
    parts = v.split([t.numel() for t in like], dim=-1)
    rows = v.shape[:-1]
    return [p.reshape((*rows, *t.shape)) for p, t in zip(parts, like, strict=True)]


def pulled_back(
    of: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> Float[Tensor, "*k n"]:
    """Flat vector-Jacobian product, or one for each of k cotangents.

    Tensors without a graph have a zero Jacobian.
    """
    rows = cotangents[0].shape[: cotangents[0].ndim - of[0].ndim]
    # Unit vectors are zero in all tensors but one, and the others' part of the graph need
    # not be walked. On a GPU the look would cost more than the walk.
    look = cotangents[0].device.type == "cpu"
    pairs = [
        (f, c)
        for f, c in zip(of, cotangents, strict=True)
        if f.requires_grad and not (look and not c.any())
    ]
    products = [torch.zeros_like(t) for t in inputs]
    if pairs:
        products = torch.autograd.grad(
            [f for f, _ in pairs],
            inputs,
            [c for _, c in pairs],
            retain_graph=True,
            is_grads_batched=bool(rows),
            materialize_grads=True,
        )
    # A tensor that is not reached comes back as zeros without the rows.
    flat = [
        p.expand((*rows, *t.shape)).reshape((*rows, t.numel()))
        for p, t in zip(products, inputs, strict=True)
    ]
    return torch.cat(flat, dim=-1)


def block_width(graph: Sequence[Tensor]) -> int:
    """Vectors to pull back through a graph at once, for what their cotangents take."""
    # A cotangent flows into every node, in the shape of what the node computed.
    waiting, seen, num_bytes = [t.grad_fn for t in graph], set[Any](), 0
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(parent for parent, _ in node.next_functions)
            for value in getattr(node, "_input_metadata", ()):
                num_bytes += prod(value.shape) * value.dtype.itemsize
    limit = _BLOCK_BYTES.get(graph[0].device.type, _BLOCK_BYTES_ELSEWHERE)
    return limit // max(num_bytes, 1)


def block_product(
    product: Callable[[Tensor], Tensor], size: int, width: int
) -> Callable[[Tensor], Tensor]:
    """Product with columns: ``width`` at once where it gains and agrees, else in turn."""
    batches: bool | None = None

    def matmat(v: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        nonlocal batches
        refuse_length(v, size)
        if not v.shape[1]:
            return torch.zeros_like(v)
        rows = v.mT.contiguous()
        gains = width >= _LEAST_WIDTH and len(rows) >= _LEAST_COLUMNS
        if gains and batches is not False:
            try:
                together = torch.cat([product(part) for part in rows.split(width)])
            except RuntimeError:
                # An operation that torch cannot batch (a custom backward that calls
                # item, say): the loop below is right, or raises what is wrong.
                batches = False
            else:
                if batches is None:
                    batches = _agrees(product, rows, together)
                if batches:
                    return together.mT
        return torch.stack([product(row) for row in rows], dim=1)

    return matmat


def _agrees(
    product: Callable[[Tensor], Tensor],
    rows: Float[Tensor, "k n"],
    together: Float[Tensor, "k n"],
) -> bool:
    """Whether products taken at once match a plain one, of all rows with weights."""
    # Different weights, so that products in another order do not pass.
    weights = torch.linspace(1, 2, len(rows), dtype=rows.dtype, device=rows.device)
    gap = torch.linalg.vector_norm(product(weights @ rows) - weights @ together)
    slack = torch.finfo(rows.dtype).eps ** 0.5
    return bool(gap <= slack * torch.linalg.matrix_norm(together))
