"""How big a run is: one table of three sizes per notebook, chosen by one name.

``smoke`` takes seconds and gives no verdict; ``cpu`` is what the book shows, on the CPU
even where a GPU is present, so that runs compare; ``gpu`` fits one Colab GPU.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from geomlib import places
from geomlib.checks import one_of

SIZES = ("smoke", "cpu", "gpu")


@dataclass(frozen=True)
class Run:
    """What one execution of a notebook is: its size, seeds, device and settings.

    A setting is read as an attribute: ``run.steps``.

    Attributes:
        chapter: Name of the notebook.
        size: One of ``smoke``, ``cpu``, ``gpu``.
        seeds: Seeds of the run; at smoke size the first one alone.
        overrides: Settings that the reader changed; a changed run gets no verdict.
        settings: Settings of the size, overrides applied.
        device: Where tensors live.
        started: Monotonic clock at the start, in seconds.
    """

    chapter: str
    size: str
    seeds: tuple[int, ...]
    overrides: Mapping[str, object]
    settings: Mapping[str, Any]
    device: torch.device
    started: float

    def __getattr__(self, name: str) -> Any:
        settings: Mapping[str, Any] = self.__dict__.get("settings", {})
        if name in settings:
            return settings[name]
        raise AttributeError(
            f"this run has no setting {name!r}; it has {', '.join(settings) or 'none'}."
        )

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        seeds = ", ".join(map(str, self.seeds))
        changed = f"\noverridden: {', '.join(self.overrides)}" if self.overrides else ""
        return (
            f"{self.chapter} at size {self.size} on {self.device}\n"
            f"seeds: {seeds}\n{settings}{changed}"
        )

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The first three seeds: training is dear."""
        return self.seeds[:3]


def choose(
    chapter: str,
    size: str,
    seeds: Sequence[int],
    overrides: Mapping[str, object],
    *,
    smoke: Mapping[str, object],
    cpu: Mapping[str, object],
    gpu: Mapping[str, object],
) -> Run:
    """The run that a notebook's parameters ask for; the chapter's old records go.

    Args:
        chapter: Name of the notebook, without its ending.
        size: ``auto`` (gpu where CUDA is present, else cpu) or one of the three.
        seeds: Distinct whole numbers.
        overrides: New values for settings of the chosen size.
        smoke: Settings of the smoke size.
        cpu: Settings of the cpu size, under the same names.
        gpu: Settings of the gpu size, under the same names.

    Raises:
        ValueError: If the size is unknown, the seeds are no list of distinct whole
            numbers, an override is unknown or of another type than the setting, or the
            three sizes have different settings.

    >>> sizes = dict(smoke=dict(steps=1), cpu=dict(steps=9), gpu=dict(steps=99))
    >>> choose("demo", "smoke", [7], {"stepz": 3}, **sizes)
    Traceback (most recent call last):
    ValueError: overrides must name settings of demo (steps), got 'stepz'.
    """
    one_of("size", size, ("auto", *SIZES))
    if size == "auto":
        size = "gpu" if torch.cuda.is_available() else "cpu"
    table = {"smoke": smoke, "cpu": cpu, "gpu": gpu}
    if len({frozenset(settings) for settings in table.values()}) != 1:
        raise ValueError(
            "smoke, cpu and gpu must have the same settings, got "
            + "; ".join(f"{name}: {', '.join(table[name])}" for name in SIZES)
        )
    if shadowed := sorted(Run.__dataclass_fields__.keys() & cpu.keys()):
        raise ValueError(
            f"settings must not be called as a run's own fields, got {', '.join(shadowed)}."
        )
    chosen = _checked_seeds(seeds)
    settings = {**table[size], **checked_overrides(chapter, overrides, table[size])}
    on_gpu = size == "gpu" and torch.cuda.is_available()
    _remove_records(chapter, size)
    return Run(
        chapter=chapter,
        size=size,
        seeds=chosen[:1] if size == "smoke" else chosen,
        overrides=dict(overrides),
        settings=settings,
        device=torch.device("cuda" if on_gpu else "cpu"),
        started=time.monotonic(),
    )


def _checked_seeds(seeds: object) -> tuple[int, ...]:
    """Seeds as a tuple, or an error that shows how to pass them."""
    if (
        not isinstance(seeds, list | tuple)
        or not seeds
        or any(type(seed) is not int for seed in seeds)
        or len(set(seeds)) != len(seeds)
    ):
        raise ValueError(
            f"seeds must be a list of distinct whole numbers, got {seeds!r}. From the "
            'command line write -y "seeds: [7, 8]"; -p seeds passes a string.'
        )
    return tuple(seeds)


def checked_overrides(
    chapter: str, overrides: object, known: Mapping[str, object]
) -> Mapping[str, object]:
    """Overrides that fit the settings they change.

    Args:
        chapter: Name of the notebook, for errors.
        overrides: New values by names of settings.
        known: Settings and their values.

    Raises:
        ValueError: If there is no such setting, or a value is of another type.
    """
    if not isinstance(overrides, Mapping):
        raise ValueError(
            f"overrides must be a mapping of settings, got {overrides!r}. From the "
            'command line write -y "overrides: {steps: 100}".'
        )
    for name, value in overrides.items():
        if name not in known:
            raise ValueError(
                f"overrides must name settings of {chapter} "
                f"({', '.join(known)}), got {name!r}."
            )
        expected = type(known[name])
        whole_for_real = expected is float and type(value) is int
        if type(value) is not expected and not whole_for_real:
            raise ValueError(
                f"overrides[{name!r}] must be of type {expected.__name__} like its "
                f"setting {known[name]!r}, got {value!r}."
            )
    return overrides


def _remove_records(chapter: str, size: str) -> None:
    """Remove what an earlier run of this chapter recorded at this size."""
    for path in (places.results() / size).glob("*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue  # Another chapter runs beside this one and has removed its own.
        if record["chapter"] == chapter:
            path.unlink()
