"""Training that goes on where it stopped, from a file of plain arrays."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm

from geomlib import places
from geomlib.checks import at_least
from geomlib.tensor_files import load_tensors, save_tensors

Part = nn.Module | Optimizer | LRScheduler
Parts = Mapping[str, Part]


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
        parts: Networks, optimisers and schedules of their rates, by name.
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


def _tensors(part: Part) -> dict[str, Tensor]:
    """State of a part as tensors."""
    if isinstance(part, nn.Module):
        return dict(part.state_dict())
    if isinstance(part, LRScheduler):
        rates = [float(group["lr"]) for group in part.optimizer.param_groups]
        return {
            "last_epoch": torch.tensor(part.last_epoch),
            "rates": torch.tensor(rates, dtype=torch.float64),
        }
    return {
        f"{number}.{name}": value
        for number, state in part.state_dict()["state"].items()
        for name, value in state.items()
    }


def _save(path: Path, parts: Parts, done: int) -> None:
    """Write the state whole or not at all."""
    tensors = {
        f"{name}/{key}": value
        for name, part in parts.items()
        for key, value in _tensors(part).items()
    }
    save_tensors(path, {"done": torch.tensor(done), **tensors})


def _load(path: Path, parts: Parts) -> int:
    """Read the state into the parts; how many steps it has behind it."""
    found = load_tensors(path)
    done = int(found.pop("done"))
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in parts}
    for key, tensor in found.items():
        name, _, rest = key.partition("/")
        if name not in groups:
            raise ValueError(f"{path} must hold {', '.join(parts)}, got also {name!r}.")
        groups[name][rest] = tensor
    for name, part in parts.items():
        _restore(part, groups[name])
    return done


def _restore(part: Part, found: Mapping[str, Tensor]) -> None:
    """Put a state back, in the form in which ``_tensors`` gives it."""
    if isinstance(part, nn.Module):
        part.load_state_dict(dict(found))
        return
    if isinstance(part, LRScheduler):
        # The rate is a function of the number of steps; its last value lies in the groups.
        part.last_epoch = int(found["last_epoch"])
        rates = found["rates"].tolist()
        for group, rate in zip(part.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        return
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in found.items():
        number, _, kind = key.partition(".")
        state.setdefault(int(number), {})[kind] = tensor
    part.load_state_dict({**part.state_dict(), "state": state})


def seeded(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator of one step: its number and the seed decide all that it draws."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)
