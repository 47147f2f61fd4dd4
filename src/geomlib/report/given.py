"""A model of the reader's: built by a function that they name, its weights from a file."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from geomlib.models.checkpoints import reading

WRAPPERS = ("model", "state_dict")  # keys under which training scripts keep the weights
PARTS = ("backbone", "head")


def built(factory: str) -> tuple[nn.Module, nn.Module]:
    """Backbone and head that a function of the reader's makes.

    Args:
        factory: ``package.module:function``. The function takes no argument and returns
            backbone and head, or one module with these two as its attributes. Naming it
            runs it: name only what you trust.

    Raises:
        ValueError: If there is no such function, or it returns something else.
    """
    module, _, name = factory.partition(":")
    if not module or not name:
        raise ValueError(f"model must be package.module:function, got {factory!r}.")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"model must name a function that can be imported, got {factory!r} ({error}). "
            "Run the command where that package can be found."
        ) from error
    made = function()
    pair = made if isinstance(made, tuple) else tuple(getattr(made, p, None) for p in PARTS)
    if len(pair) != 2 or not all(isinstance(part, nn.Module) for part in pair):
        raise ValueError(
            f"{factory} must return a backbone and a head, or a module with these two "
            f"attributes, got {type(made).__name__}."
        )
    return cast(tuple[nn.Module, nn.Module], pair)


def load_weights(backbone: nn.Module, head: nn.Module, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into a backbone and its head, in place.

    Nothing in the file is run. It holds a state dict, by itself or under ``model`` or
    ``state_dict``, whose names begin with ``backbone.`` and ``head.``, a leading
    ``module.`` left aside; names with another beginning are passed over.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of plain tensors, is cut short, has no
            weights for one of the two, or others than it needs. Both modules are then as
            they were.
    """
    weights = _state_dict(checkpoint)
    parts = {"backbone": backbone, "head": head}
    split: dict[str, dict[str, Tensor]] = {}
    for part, module in parts.items():
        found = {
            name.removeprefix(f"{part}."): tensor
            for name, tensor in weights.items()
            if name.startswith(f"{part}.")
        }
        wanted = module.state_dict()
        if wanted and not found:
            raise ValueError(
                f"{checkpoint} must hold weights of a {part} (names {part}.…), got names "
                f"such as {', '.join(list(weights)[:3]) or 'none'}. Rename them, or save "
                "the checkpoint of the whole model."
            )
        _refuse_others(f"{part} in {checkpoint}", found, wanted)
        split[part] = found
    for part, module in parts.items():
        module.load_state_dict(split[part])


def _state_dict(checkpoint: Path) -> dict[str, Tensor]:
    """Named tensors of a file, without their wrappers."""
    loaded = reading.contents(checkpoint)
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping):
        raise ValueError(
            f"{checkpoint} must hold a state dict, got {type(loaded).__name__}."
        )
    return {
        str(name).removeprefix("module."): value
        for name, value in loaded.items()
        if isinstance(value, Tensor)
    }


def _refuse_others(
    what: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    """Refuse names that are missing or too many, and shapes that do not fit."""
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or extra:
        raise ValueError(
            f"{what} must have the names that the model has, got {len(missing)} missing "
            f"({', '.join(sorted(missing)[:3])}) and {len(extra)} too many "
            f"({', '.join(sorted(extra)[:3])})."
        )
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"{what} must fit the model: {name} must have the shape "
                f"{tuple(wanted[name].shape)}, got {tuple(tensor.shape)}."
            )
