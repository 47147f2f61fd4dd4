"""An official pickle read without running anything from it.

To unpickle is to call whatever the file names, and the official files of PyTorch's
StyleGAN2 carry Python source that their own reader runs. Here a file may name things, but
gets only this module's own functions for tensors, plain containers, and placeholders that
do nothing. A name that no official file has a use for is refused.
"""

import io
import math
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

# Packages whose names official files hold. Their code is not imported.
_KNOWN = frozenset({"collections", "dnnlib", "numpy", "torch", "torch_utils", "training"})


@dataclass(frozen=True)
class Stored:
    """A network as it lies in the file: names and values, no code.

    Attributes:
        class_name: What its class was called.
        attributes: Of the object, weights and parts among them.
    """

    class_name: str
    attributes: Mapping[str, Any]

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of it and of its parts, under dotted names."""
        found: dict[str, Tensor] = {}
        for kind in ("_parameters", "_buffers"):
            here = self.attributes.get(kind, {}).items()
            found |= {name: value for name, value in here if isinstance(value, Tensor)}
        for name, part in self.attributes.get("_modules", {}).items():
            if isinstance(part, Stored):
                inner = part.weights().items()
                found |= {f"{name}.{key}": value for key, value in inner}
        return found

    def values(self, name: str) -> set[float | None]:
        """Values that an attribute has in it and in its parts: numbers or None."""
        here = self.attributes.get(name)
        known = name in self.attributes and isinstance(here, int | float | None)
        found: set[float | None] = {here} if known else set()
        for part in self.attributes.get("_modules", {}).values():
            if isinstance(part, Stored):
                found |= part.values(name)
        return found


class Placeholder:
    """Stands for an object that is not built; takes anything and does nothing."""

    def __new__(cls, *_args: object, **_kwargs: object) -> "Placeholder":
        """Ignore the arguments: pickles build objects by this alone."""
        return super().__new__(cls)

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Drop the item."""

    def extend(self, _items: object) -> None:
        """Drop the items."""


def read(path: Path) -> dict[str, Any]:
    """Contents of an official pickle: networks as ``Stored``, by name.

    Args:
        path: The file, such as ``ffhq.pkl``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of the TensorFlow version, asks for anything that is no part
            of an official file, is damaged, or holds no named networks.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must name a file, got {str(path)!r}.")
    try:
        with path.open("rb") as file:
            content = _Inert(file, path.name).load()
    except _RefusedError as refusal:
        raise ValueError(str(refusal)) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise ValueError(
            f"{path.name} must be a whole official pickle, got one that cannot be read "
            f"({type(error).__name__}: {error}). Download it again."
        ) from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{path.name} must hold networks by name, got {type(content).__name__}. "
            "Is it an official StyleGAN2 pickle for PyTorch?"
        )
    return {str(name): value for name, value in content.items()}


class _RefusedError(Exception):
    """Something that no official file has."""


class _Inert(pickle.Unpickler):
    """Unpickler in whose reach lies nothing but this module's own functions."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file)
        self.name = name

    def find_class(self, module: str, name: str, /) -> Any:
        """What the file gets for a name; never what the name stands for elsewhere."""
        if module.startswith("dnnlib.tflib"):
            raise _RefusedError(
                f"{self.name} must be a pickle for PyTorch, got one of the TensorFlow "
                "version. Take the file of the PyTorch release of the same model."
            )
        if module.split(".")[0] not in _KNOWN | {"builtins", "__builtin__", "_codecs"}:
            raise self._refusal(module, name)
        makers = _makers()
        if (module, name) in makers:
            return makers[module, name]
        if module.split(".")[0] not in _KNOWN:  # of the built-ins only what is listed
            raise self._refusal(module, name)
        # A class of its own for each name, so that what a file sets on it stays there.
        return type("Placeholder", (Placeholder,), {})

    def _refusal(self, module: str, name: str) -> _RefusedError:
        return _RefusedError(
            f"{self.name} must ask for parts of StyleGAN2 only, got {module}.{name}. "
            "Nothing of it was run. Do not trust this file."
        )


def _makers() -> dict[tuple[str, str], Callable[..., Any]]:
    """What is built, anew for each name so that no file can change it for the next."""

    def storage(content: bytes) -> Tensor:
        # A storage is a small checkpoint of its own; PyTorch's restricted reader takes it.
        with warnings.catch_warnings():
            # PyTorch warns of storages with types, which is how these files hold numbers.
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            if not isinstance(found, torch.storage.TypedStorage):
                raise ValueError(f"no storage, but {type(found).__name__}")
            flat = torch.empty(0, dtype=found.dtype)
            return flat.set_(found.untyped())  # pyright: ignore[reportArgumentType]

    def tensor(
        flat: Tensor,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: object,
    ) -> Tensor:
        # A stride of 0 would let a small file ask for any amount of memory.
        if math.prod(size) > flat.numel():
            raise ValueError(f"a tensor of {size} in a storage of {flat.numel()}")
        return flat.as_strided(size, stride, offset).clone()

    def parameter(data: Tensor, *_: object) -> Tensor:
        return data

    def network(meta: Mapping[str, Any]) -> Stored:
        return Stored(str(meta["class_name"]), dict(meta["state"]))

    def encode(text: str, _encoding: str) -> bytes:
        return text.encode("latin1")  # how early protocols write bytes

    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("_codecs", "encode"): encode,
        ("torch.storage", "_load_from_bytes"): storage,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): network,
    }
