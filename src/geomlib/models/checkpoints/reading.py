"""Contents of a checkpoint, without running what is in it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Allowed = Sequence[Callable[..., Any] | tuple[Callable[..., Any], str]]


def contents(path: Path, *, allowed: Allowed = ()) -> Any:
    """What a file of ``torch.save`` holds, its tensors on the CPU.

    A checkpoint is a pickle, and to unpickle runs what is in it. Here PyTorch's restricted
    unpickler reads it, which knows tensors and plain containers, and refuses the rest.

    Args:
        path: The file.
        allowed: Further classes that may be built, or pairs of a class or function and
            the name under which the file asks for it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, is no checkpoint, or asks for anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must name a file, got {str(path)!r}.")
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise ValueError(
            f"{path} must be a whole checkpoint of tensors, got one that cannot be read "
            "without running code from it, or not at all "
            f"({type(error).__name__}: {str(error).strip().splitlines()[:1]}). Download "
            "or copy it again, or save its state dict alone."
        ) from error


def part(content: Any, name: str, path: Path) -> Mapping[str, Tensor]:
    """Weights under a name in a checkpoint, the prefix ``module.`` taken off.

    Raises:
        ValueError: If the checkpoint has no such part, or it is not of named tensors.
    """
    found = content.get(name) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping) or not found:
        names = list(content) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(
            f"{path} must hold {name!r}, as a full checkpoint does, got {_few(names)}. "
            "The file with the backbone alone has no head: take the full one."
        )
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        raise ValueError(f"{path} must hold named tensors under {name!r}, got others.")
    return {key.removeprefix("module."): value for key, value in found.items()}


def below(weights: Mapping[str, Tensor], prefix: str, path: Path) -> dict[str, Tensor]:
    """Weights whose names begin with a prefix, without it.

    Raises:
        ValueError: If there are none.
    """
    found = {
        key.removeprefix(prefix): value
        for key, value in weights.items()
        if key.startswith(prefix)
    }
    if not found:
        raise ValueError(
            f"{path} must hold weights {prefix}*, got {_few(list(weights))}. "
            "Is it another model's file, or one without its head?"
        )
    return found


def fill(module: torch.nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Copy weights into a module that must need just these, of just these shapes.

    Raises:
        ValueError: If a name is missing or left over, or a shape differs.
    """
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ValueError(
            f"{what} must have the names and shapes of {type(module).__name__}, "
            f"got differences: {' '.join(lines)} Is it another model's file?"
        ) from error


def _few(names: Any) -> str:
    """The first few of many names."""
    if isinstance(names, str):
        return names
    shown = ", ".join(map(str, names[:4]))
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown or "nothing"
