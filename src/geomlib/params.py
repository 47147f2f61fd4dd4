"""Named parameters as one flat vector, and back."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def flatten(tensors: Mapping[str, Tensor]) -> Float[Tensor, " n"]:
    """Entries of all tensors in the mapping's order, each in row-major order, as a copy.

    Args:
        tensors: For a module ``dict(module.named_parameters())``.

    Raises:
        ValueError: If ``tensors`` is empty, is not floating point, or mixes dtypes or
            devices.

    >>> flatten({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor(3.0)})
    tensor([1., 2., 3.])
    """
    _refuse_empty("tensors", tensors)
    first_name, first = next(iter(tensors.items()))
    if not first.is_floating_point():
        raise ValueError(
            f"tensors must be floating point, got {first.dtype} in {first_name!r}. "
            "Leave out buffers that count."
        )
    for name, tensor in tensors.items():
        for rule, a, b in (
            ("dtype", first.dtype, tensor.dtype),
            ("device", first.device, tensor.device),
        ):
            if a != b:
                raise ValueError(
                    f"tensors must have one {rule}, got {a} in {first_name!r} "
                    f"and {b} in {name!r}."
                )
    return torch.cat([tensor.reshape(-1) for tensor in tensors.values()])


def unflatten(vector: Float[Tensor, " n"], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Views of ``vector`` under the names, in the order and with the shapes of ``like``.

    Inverse of ``flatten``. The dtype and the device are those of ``vector``, and
    derivatives pass through.

    Args:
        vector: One entry for each of ``like``.
        like: Its shapes count, its values do not.

    Raises:
        ValueError: If ``like`` is empty or ``vector`` has another length.

    >>> unflatten(torch.arange(3.0), {"weight": torch.zeros(1, 2), "bias": torch.zeros(())})
    {'weight': tensor([[0., 1.]]), 'bias': tensor(2.)}
    """
    _refuse_empty("like", like)
    sizes = [tensor.numel() for tensor in like.values()]
    if len(vector) != sum(sizes):
        raise ValueError(
            f"vector must have {sum(sizes)} entries as like has, got {len(vector)}."
        )
    pieces = vector.split(sizes)
    return {
        name: piece.view(tensor.shape)
        for (name, tensor), piece in zip(like.items(), pieces, strict=True)
    }


def _refuse_empty(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a mapping without tensors."""
    if not tensors:
        raise ValueError(f"{name} must hold at least one tensor, got an empty mapping.")
