"""Named tensors in files of plain arrays, written whole and read without unpickling."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geomlib import places


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to an ``.npz`` file, whole or not at all.

    Args:
        path: The file. Folders that are missing are made.
        tensors: From any device, by name.

    Raises:
        ValueError: If a name is ``file`` or ``allow_pickle``: NumPy has arguments so named.
    """
    if taken := {"file", "allow_pickle"} & tensors.keys():
        raise ValueError(
            f"tensors must not be named file or allow_pickle, got {sorted(taken)}. NumPy "
            "takes these names for its own arguments: rename them."
        )
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()
    }
    # Nothing to pickle: a tensor's array holds numbers. allow_pickle=False would say so,
    # but NumPy before 2.2 takes it for one more array.
    np.savez(buffer, **arrays)
    places.write_bytes(path, buffer.getvalue())


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of an ``.npz`` file, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds anything but plain arrays.
    """
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as found:
            return {name: torch.from_numpy(found[name]) for name in found.files}
    # NumPy takes an unknown file for a pickle and an .npy file for an array.
    except Exception as error:
        raise ValueError(
            f"{path} must hold plain arrays, got a file that NumPy reads not at all or "
            f"only by unpickling it ({type(error).__name__}). Remove it to have it made "
            "again."
        ) from error
