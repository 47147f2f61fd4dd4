"""Results that take long, kept so that a run that was stopped goes on from there."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from geomlib.tensor_files import load_tensors, save_tensors

# What a kept result depends on besides its key.
CODE = (
    "bank.py",
    "blocks.py",
    "escape.py",
    "estimator.py",
    "grid.py",
    "heads.py",
    "objective.py",
    "tracked.py",
)


def resumed(
    folder: Path | None, key: object, make: Callable[[], Mapping[str, Tensor]]
) -> dict[str, Tensor]:
    """Tensors that ``make`` returns, on the CPU, or that it returned for this key before.

    Args:
        folder: Where results are kept, each file written whole or not at all; None keeps
            and reads nothing.
        key: Everything that the result depends on, as its ``repr`` tells it; the code
            that trains and measures grids counts by itself.
        make: The work.

    Raises:
        ValueError: If a file that is found holds anything but plain arrays.

    >>> import torch
    >>> resumed(None, ("demo", 3), lambda: {"ones": torch.ones(2)})
    {'ones': tensor([1., 1.])}
    """
    if folder is None:
        return {name: tensor.cpu() for name, tensor in make().items()}
    path = folder / f"{_digest(key)}.npz"
    if not path.is_file():
        save_tensors(path, make())
    return load_tensors(path)


def _digest(key: object) -> str:
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in CODE)
    return hashlib.sha256(repr(key).encode() + code).hexdigest()[:24]
