"""Claims stated with their criterion before they are run, and judged per seed.

A criterion is one number per seed in an interval. A claim HOLDS if the share of seeds
inside is at least what it asks for, FAILS if none is inside, and is SPLIT between; at
smoke size, or where a setting was overridden, it stays UNTRIED.
"""

import json
import math
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import torch

import geomlib
from geomlib import places
from geomlib.checks import positive
from geomlib.sizes import Run

Record = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A statement and the criterion that decides it, fixed before the run.

    Attributes:
        id: Lower-case words joined by hyphens, unique in the book; names the record.
        source: Key of the bibliography, or ``this book``.
        statement: What is claimed, one sentence.
        quantity: What is measured on each seed, with its unit.
        low: Smallest value inside, or None for no bound.
        high: Largest value inside, or None for no bound.
        at_least: Share of seeds that must be inside, in (0, 1].
        tolerance: How far, absolutely, a value may move from run to run.

    Raises:
        ValueError: If a field breaks its rule.
    """

    id: str
    source: str
    statement: str
    quantity: str
    tolerance: float
    low: float | None = None
    high: float | None = None
    at_least: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(
                f"id must be lower-case words joined by hyphens, got {self.id!r}."
            )
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not bounds or not all(math.isfinite(bound) for bound in bounds):
            raise ValueError(
                f"{self.id}: low or high must be given and finite (leave a missing bound "
                f"out), got low={self.low}, high={self.high}."
            )
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise ValueError(
                f"{self.id}: low must not exceed high, got {self.low} > {self.high}."
            )
        if not 0 < self.at_least <= 1:
            raise ValueError(f"{self.id}: at_least must be in (0, 1], got {self.at_least}.")
        positive(f"{self.id}: tolerance", self.tolerance)


_NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
_ENTRY = re.compile(
    rf"""(?P<id>[\w-]+)(\ \((?P<source>[^)]+)\))?:\ (?P<statement>.+)\n
    \ +(?P<quantity>[^:]+):\ (
    at\ least\ (?P<at_least>{_NUMBER})
    |at\ most\ (?P<at_most>{_NUMBER})
    |exactly\ (?P<exactly>{_NUMBER})
    |(?P<low>{_NUMBER})\ to\ (?P<high>{_NUMBER})
    )(\ on\ (?P<share>\d+)%\ of\ seeds)?,\ ±\ (?P<tolerance>{_NUMBER})""",
    re.VERBOSE,
)


def stated(prefix: str, text: str) -> dict[str, Claim]:
    """Claims by their names, written as text: two lines each, blank lines between groups.

    The first line is ``name: statement``, or ``name (source): statement`` with a key of
    the bibliography. The second, indented, is ``quantity: criterion, ± tolerance``, the
    criterion in the words that the notebook prints: ``at least 2``, ``at most 2``,
    ``exactly 2``, ``1 to 2``, with ``on 80% of seeds`` after it where not all must hold.

    Args:
        prefix: Put before each name, with a hyphen, to make the id.
        text: The claims.

    Raises:
        ValueError: If an entry does not read so, a name comes twice, or a claim breaks
            its own rules.

    >>> claims = stated("demo", '''
    ... whole: The parts add up.
    ...   relative gap: at most 0.1, ± 0.01
    ... ''')
    >>> claims["whole"].id, claims["whole"].high
    ('demo-whole', 0.1)
    """
    found: dict[str, Claim] = {}
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for first, second in zip_longest(lines[::2], lines[1::2], fillvalue=""):
        entry = _ENTRY.fullmatch(f"{first}\n{second}")
        if entry is None:
            raise ValueError(
                "text must hold two lines a claim, 'name: statement' and, indented, "
                "'quantity: at least|at most|exactly LOW, ± TOLERANCE' (or 'LOW to HIGH'), "
                f"got {first!r} and {second!r}."
            )
        if entry["id"] in found:
            raise ValueError(f"names must be unique, got {entry['id']!r} twice.")
        low = entry["at_least"] or entry["exactly"] or entry["low"]
        high = entry["at_most"] or entry["exactly"] or entry["high"]
        found[entry["id"]] = Claim(
            id=f"{prefix}-{entry['id']}",
            source=entry["source"] or "this book",
            statement=entry["statement"],
            quantity=entry["quantity"],
            tolerance=float(entry["tolerance"]),
            low=None if low is None else float(low),
            high=None if high is None else float(high),
            at_least=float(entry["share"] or 100) / 100,
        )
    return found


def judge(claim: Claim, values: Mapping[int, float], run: Run) -> None:
    """Decide a claim, print its line and write its record.

    Args:
        claim: The claim, as stated before the experiment.
        values: Measured quantity per seed; the seeds must be the run's, or its first
            three or more, in order, so that no seed can be left out afterwards.
        run: The run that measured them.

    Raises:
        ValueError: If the seeds are not the run's leading seeds, a value is not finite,
            or the claim's id belongs to another chapter.
    """
    seeds = tuple(values)
    if len(seeds) < min(3, len(run.seeds)) or seeds != run.seeds[: len(seeds)]:
        raise ValueError(
            f"{claim.id}: values must be for the run's seeds {list(run.seeds)}, at least "
            f"the first three, in order; got {list(seeds)}."
        )
    for seed, value in values.items():
        if not math.isfinite(value):
            raise ValueError(
                f"{claim.id}: every measured value must be finite, got {value} at seed "
                f"{seed}. A quantity that can diverge needs a claim that counts it."
            )
    path = places.results() / run.size / f"{claim.id}.json"
    if path.exists():
        owner = json.loads(path.read_text(encoding="utf-8"))["chapter"]
        if owner != run.chapter:
            raise ValueError(
                f"{claim.id}: id must be unique in the book, got one that chapter "
                f"{owner} has too."
            )
    fields = asdict(claim)
    record: Record = {
        "claim": fields.pop("id"),
        "chapter": run.chapter,
        **fields,
        "seeds": list(seeds),
        "values": [float(value) for value in values.values()],
    }
    tried = run.size != "smoke" and not run.overrides
    record["verdict"] = verdict(record) if tried else "UNTRIED"
    record |= {
        "size": run.size,
        "device": _device_name(run.device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "geomlib": geomlib.__version__,
        },
        "seconds": round(time.monotonic() - run.started, 1),
    }
    places.write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")
    print(line(record))


def num_inside(record: Record) -> int:
    """Number of a record's seeds whose value lies inside the interval."""
    low = -math.inf if record["low"] is None else record["low"]
    high = math.inf if record["high"] is None else record["high"]
    return sum(low <= value <= high for value in record["values"])


def verdict(record: Record) -> str:
    """HOLDS, SPLIT or FAILS, from the values and the criterion of a record.

    >>> verdict({"low": 0, "high": None, "at_least": 0.6, "values": [1.0, 2.0, -1.0]})
    'HOLDS'
    >>> verdict({"low": 0, "high": None, "at_least": 1.0, "values": [1.0, 2.0, -1.0]})
    'SPLIT'
    """
    inside, total = num_inside(record), len(record["values"])
    if inside / total >= record["at_least"] - 1e-12:
        return "HOLDS"
    return "SPLIT" if inside else "FAILS"


def criterion(record: Record) -> str:
    """The interval of a record in words.

    >>> criterion({"low": None, "high": 1.5, "at_least": 1.0})
    'at most 1.5'
    """
    low, high = record["low"], record["high"]
    if low is None:
        words = f"at most {high:g}"
    elif high is None:
        words = f"at least {low:g}"
    else:
        words = f"exactly {low:g}" if low == high else f"{low:g} to {high:g}"
    share = record["at_least"]
    return words if share == 1 else f"{words} on {share:.0%} of seeds"


def line(record: Record) -> str:
    """The one line that a notebook prints for a record."""
    values = " ".join(f"{value:.3g}" for value in record["values"])
    return (
        f"{record['verdict']:7} {record['claim']} ({criterion(record)}; "
        f"{num_inside(record)} of {len(record['values'])}): {values}"
    )


def _device_name(device: torch.device) -> str:
    """Kind of processor, without naming the machine."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
