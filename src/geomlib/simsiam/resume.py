"""Results that take long, kept so that a run that was stopped goes on from there."""

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geomlib import places

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

    >>> resumed(None, ("demo", 3), lambda: {"ones": torch.ones(2)})
    {'ones': tensor([1., 1.])}
    """
    if folder is None:
        return {name: tensor.cpu() for name, tensor in make().items()}
    path = folder / f"{_digest(key)}.npz"
    if not path.is_file():
        buffer = io.BytesIO()
        arrays = {name: tensor.cpu().numpy() for name, tensor in make().items()}
        np.savez(buffer, allow_pickle=False, **arrays)
        places.write_bytes(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as found:
        return {name: torch.from_numpy(found[name]) for name in found.files}


def _digest(key: object) -> str:
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in CODE)
    return hashlib.sha256(repr(key).encode() + code).hexdigest()[:24]
