"""Figures quoted from the published experiment, and the raw arrays released with it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from geomlib import places
from geomlib.checks import at_least, one_of
from geomlib.downloads import fetched
from geomlib.simsiam.heads import Head

REPOSITORY = "https://raw.githubusercontent.com/farischaudhry/projection-head-geometry"
COMMIT = "23831bca93ad1cd785671efd3ce62d44d4697f0e"  # that added the tracker's arrays
LARGEST = 2**24  # bytes to download at most; the files have some thousand
DEVIATION = "std_normalised_output"
WIDTH = 2048  # of the published projector's output, of whose deviations the mean is kept


@dataclass(frozen=True)
class Quoted:
    """One figure of the published experiment.

    Attributes:
        value: The figure.
        setting: What it is of, and how it was counted if it was.
    """

    value: float
    setting: str


@dataclass(frozen=True)
class ReleasedRun:
    """What a reader needs of one released run, all of its seeds.

    Attributes:
        arrays: Name of the set of arrays that holds its curves.
        name: Of the run in that set.
        backbone: ``ResNet-18`` or ``transformer``.
        data: ``CIFAR-10`` or ``CIFAR-100``.
        epochs: Records a seed: means over an epoch, in training mode.
        head: Activation, with batch norm or without.
        rate: Learning rate.
        extremes: First, smallest, largest and last ``iso`` of each seed, as ``extremes``
            has them of a curve, quoted to six digits.
    """

    arrays: str
    name: str
    backbone: str
    data: str
    epochs: int
    head: Head
    rate: float
    extremes: Float[Tensor, "r 4"]


def source() -> str:
    """Where all quoted numbers come from."""
    return str(_package_data()["source"])


def quoted() -> dict[str, Quoted]:
    """Figures of the published experiment, each with its setting.

    >>> quoted()["tracker collapsed relu zeros"].value
    99
    """
    return {
        row["key"]: Quoted(row["value"], row["setting"])
        for row in _package_data()["figures"]
    }


def released_runs() -> list[ReleasedRun]:
    """Quoted extremes of every released run of the collapse experiment, 3 seeds each.

    >>> run = next(run for run in released_runs() if run.head.name == "linear")
    >>> run.backbone, run.rate, [round(x, 3) for x in run.extremes[:, 2].tolist()]
    ('ResNet-18', 0.05, [0.323, 0.005, 0.031])
    """
    return [
        ReleasedRun(
            row["set"],
            row["run"],
            row["backbone"],
            row["data"],
            row["epochs"],
            Head(row["activation"], row["batch_norm"]),
            row["rate"],
            torch.tensor(row["deviations"], dtype=torch.float64) * WIDTH**0.5,
        )
        for row in _package_data()["runs"]
    ]


def released_names() -> list[str]:
    """Names of the released sets of arrays."""
    return [row["name"] for row in _package_data()["arrays"]]


def released(name: str) -> dict[str, np.ndarray]:
    """Arrays released with the published experiment, checked against their checksum.

    Looked for in this order: ``<name>.npz`` or ``<name>.npy`` in the sub-folder
    ``published`` of the folder that ``GEOMLIB_DATA`` names, or in that folder itself; the
    cache folder; the public repository, for the tracker's sets (``raw_data_...``), which
    are plain arrays there. The collapse sets are pickled objects there, which are never
    opened here: they come from the reader's folder only, converted to plain arrays
    ``<run>/<quantity>`` of shape seeds by epochs.

    Args:
        name: One of ``released_names()``.

    Raises:
        ValueError: If the name is unknown, or a file holds Python objects, is no file of
            NumPy's, or has another checksum.
        FileNotFoundError: If there is no file and none can be downloaded.
    """
    path = released_path(name)
    row = next(row for row in _package_data()["arrays"] if row["name"] == name)
    if path is not None:
        return read_arrays(path, sha256=row["sha256"])
    if not row["public"].endswith(".npz"):
        raise FileNotFoundError(
            f"{name}.npz must be in the folder that GEOMLIB_DATA names or in its "
            "sub-folder published, got neither. The public file "
            f"{row['public']} holds pickled objects: convert it to plain arrays "
            "<run>/<quantity> with numpy.savez in a place where you trust it."
        )
    return _downloaded(name, f"{REPOSITORY}/{COMMIT}/{row['public']}", row["sha256"])


def released_path(name: str) -> Path | None:
    """File that ``released`` reads without a download, or None where there is none.

    Raises:
        ValueError: If the name is unknown.
    """
    one_of("name", name, released_names())
    data = places.data()
    folders = [] if data is None else [data / "published", data]
    for folder in (*folders, places.cache() / "published"):
        for path in (folder / f"{name}.npz", folder / f"{name}.npy"):
            if path.is_file():
                return path
    return None


def read_arrays(path: Path, *, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Plain arrays of a ``.npz`` file by name, or of a ``.npy`` file under the name "".

    Args:
        path: The file. Pickled objects in it are refused, never loaded.
        sha256: What ``checksum`` must give for the arrays, if that is known.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds Python objects, is no file of NumPy's, or has another
            checksum.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must name a file, got {str(path)!r}.")
    arrays = _parsed(path.read_bytes(), str(path))
    _refuse_checksum(arrays, sha256, str(path))
    return arrays


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the names, types, shapes and bytes of arrays, in the names' order.

    It is of the numbers, not of the file: packing the same arrays again changes nothing.

    >>> a, b = np.zeros(2), np.ones(3)
    >>> checksum({"a": a, "b": b}) == checksum({"b": b, "a": a})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def iso_curves(arrays: Mapping[str, np.ndarray]) -> dict[str, Float[Tensor, "t r"]]:
    """``iso`` of each run of a collapse set, epochs by seeds, as ``escapes`` takes them.

    The released deviation is a mean over 2048 dimensions; iso is it times their root. It
    is over n - 1, of both views together: of 1024 rows, hence 1.0005 times ours.

    Raises:
        ValueError: If the set holds no deviations.
    """
    ends = f"/{DEVIATION}"
    found = {
        name.removesuffix(ends): torch.from_numpy(array * np.sqrt(WIDTH)).mT
        for name, array in arrays.items()
        if name.endswith(ends)
    }
    at_least(f"number of arrays <run>{ends}", len(found), 1)
    return found


def extremes(curve: Float[Tensor, "t r"]) -> Float[Tensor, "r 4"]:
    """First, smallest, largest and last value of each run's curve."""
    return torch.stack([curve[0], curve.amin(0), curve.amax(0), curve[-1]], dim=1)


@cache
def _package_data() -> dict[str, Any]:
    file = files("geomlib.simsiam").joinpath("published.json")
    return json.loads(file.read_text(encoding="utf-8"))


def _downloaded(name: str, url: str, sha256: str) -> dict[str, np.ndarray]:
    """Arrays from the public repository, kept in the cache if they are the right ones."""
    path = places.cache() / "published" / f"{name}.npz"
    cure = (
        f"Put it as {name}.npz into the folder that GEOMLIB_DATA names or into its "
        "sub-folder published."
    )
    content = fetched(url, largest=LARGEST, cure=cure)
    arrays = _parsed(content, url)
    _refuse_checksum(arrays, sha256, url)
    places.write_bytes(path, content)
    return arrays


def _parsed(content: bytes, origin: str) -> dict[str, np.ndarray]:
    """Arrays in the content of a file of NumPy's."""
    try:
        loaded: Any = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: np.asarray(loaded[name]) for name in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{origin} must hold plain arrays, got a file that NumPy reads not at all or "
            f"only by unpickling it ({error}). Unpickling runs what is in a file and is "
            "never done here: convert objects to plain arrays where you trust the file."
        ) from error


def _refuse_checksum(
    arrays: Mapping[str, np.ndarray], sha256: str | None, origin: str
) -> None:
    got = checksum(arrays)
    if sha256 is not None and got != sha256:
        raise ValueError(
            f"{origin} must hold arrays with the checksum {sha256}, got {got}. Replace "
            "it, or remove it to have it looked for elsewhere."
        )
