"""Training that goes on where it stopped, from a file of plain arrays."""

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from geomlib import places
from geomlib.checks import at_least

Parts = Mapping[str, nn.Module | Optimizer]


def kept_in(name: str, *settings: object) -> Path:
    """File in the cache for a training of this name with these settings.

    Args:
        name: What is trained.
        settings: Everything that the outcome depends on, as its ``repr`` tells it; the
            code of this package counts by itself.
    """
    code = b"".join(
        path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))
    )
    digest = hashlib.sha256(repr(settings).encode() + code).hexdigest()[:20]
    return places.cache() / "inversion" / f"{name}-{digest}.npz"


def train(
    step: Callable[[int], None],
    parts: Parts,
    *,
    num_steps: int,
    path: Path | None,
    save_every: int = 1000,
) -> None:
    """Run the steps that are left, and keep the state of all parts.

    A step must draw what is random from its own number, so that a training which was
    stopped ends where one in one piece does.

    Args:
        step: Called with 0, 1 and so on; changes the parts.
        parts: Networks and optimisers, by name.
        num_steps: Number of steps in all.
        path: Where the state is kept; read first if it is there. None keeps nothing.
        save_every: Steps between two writings; the end is written always.

    Raises:
        ValueError: If a count is below 1, or the file is of other parts.
    """
    at_least("num_steps", num_steps, 1)
    at_least("save_every", save_every, 1)
    done = 0 if path is None or not path.is_file() else _load(path, parts)
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    for i in tqdm(
        range(done, num_steps), initial=done, total=num_steps, delay=5, leave=False,
        disable=quiet,
    ):  # fmt: skip
        step(i)
        if path is not None and ((i + 1) % save_every == 0 or i + 1 == num_steps):
            _save(path, parts, i + 1)


def _tensors(part: nn.Module | Optimizer) -> dict[str, Tensor]:
    """State of a network or an optimiser as tensors."""
    if isinstance(part, nn.Module):
        return dict(part.state_dict())
    return {
        f"{number}.{name}": value
        for number, state in part.state_dict()["state"].items()
        for name, value in state.items()
    }


def _save(path: Path, parts: Parts, done: int) -> None:
    """Write the state whole or not at all."""
    arrays = {
        f"{name}/{key}": value.detach().cpu().numpy()
        for name, part in parts.items()
        for key, value in _tensors(part).items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, done=np.array(done), **arrays)
    places.write_bytes(path, buffer.getvalue())


def _load(path: Path, parts: Parts) -> int:
    """Read the state into the parts; how many steps it has behind it."""
    with np.load(path, allow_pickle=False) as file:
        found = {name: torch.from_numpy(file[name]) for name in file.files}
    done = int(found.pop("done"))
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in parts}
    for key, tensor in found.items():
        name, _, rest = key.partition("/")
        if name not in groups:
            raise ValueError(f"{path} must hold {', '.join(parts)}, got also {name!r}.")
        groups[name][rest] = tensor
    for name, part in parts.items():
        if isinstance(part, nn.Module):
            part.load_state_dict(groups[name])
            continue
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in groups[name].items():
            number, _, kind = key.partition(".")
            state.setdefault(int(number), {})[kind] = tensor
        part.load_state_dict({**part.state_dict(), "state": state})
    return done


def seeded(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator of one step: its number and the seed decide all that it draws."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


def one_cycle(step: int, num_steps: int, peak: float) -> float:
    """Learning rate that rises for three tenths of the steps and falls, both by cosines.

    From a 25th of the peak up, then down to a 250,000th.

    Args:
        step: From 0.
        num_steps: Number of steps in all.
        peak: Largest rate.

    Source: Smith & Topin 2017 (arXiv:1708.07120), with PyTorch's defaults.

    >>> [round(one_cycle(step, 20, 1.0), 3) for step in (0, 5, 19)]
    [0.04, 1.0, 0.0]
    """
    turn = 0.3 * num_steps - 1
    if step <= turn:
        start, end, share = peak / 25, peak, step / turn
    else:
        start, end = peak, peak / 250_000
        share = (step - turn) / (num_steps - 1 - turn)
    return end + (start - end) * (1 + float(np.cos(np.pi * share))) / 2
