"""Results of a sweep: a table with intervals, and a figure of small multiples."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binomtest, t

from geomlib.claims import Record, criterion, num_inside
from geomlib.sweep.plan import Task

COLUMNS = (
    *("runs", "mean", "deviation", "mean_low", "mean_high"),
    *("inside", "share_low", "share_high", "criterion"),
)


@dataclass(frozen=True)
class Row:
    """One claim under one choice of settings, over all seeds.

    Attributes:
        claim: Its id.
        overrides: The settings.
        values: Measured quantity by seed.
        record: One of the records, for the criterion.
    """

    claim: str
    overrides: Mapping[str, Any]
    values: Mapping[int, float]
    record: Record

    @property
    def mean_interval(self) -> tuple[float, float]:
        """Interval of 95 % for the mean, by Student's t; infinite for a single run."""
        values = np.array(list(self.values.values()))
        if len(values) == 1:
            return -math.inf, math.inf
        half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        return float(values.mean() - half), float(values.mean() + half)

    @property
    def num_inside(self) -> int:
        """Number of seeds on which the criterion is met."""
        return num_inside({**self.record, "values": list(self.values.values())})


def rows(results: Sequence[tuple[Task, Sequence[Record]]]) -> list[Row]:
    """Rows of the table, claims in their order, settings in that of the tasks.

    Args:
        results: Each run with its records.

    >>> task = Task("demo", "cpu", 7, {"width": 8}, "0")
    >>> record = {"claim": "demo-x", "low": 1.0, "high": None, "values": [2.0]}
    >>> [(row.claim, row.values) for row in rows([(task, [record])])]
    [('demo-x', {7: 2.0})]
    """
    found: dict[tuple[str, str], Row] = {}
    for task, records in results:
        for record in records:
            (value,) = record["values"]
            place = (record["claim"], repr(sorted(task.overrides.items())))
            row = found.setdefault(place, Row(record["claim"], task.overrides, {}, record))
            found[place] = Row(
                row.claim, row.overrides, {**row.values, task.seed: value}, record
            )
    return sorted(found.values(), key=lambda row: row.claim)


def as_csv(table: Sequence[Row]) -> str:
    """The table as comma-separated values: a column each for the settings, then numbers.

    The interval of the mean is Student's, that of the share inside the criterion is
    Wilson's, both of 95 %.
    """
    names = list(dict.fromkeys(name for row in table for name in row.overrides))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["claim", *names, *COLUMNS])
    for row in table:
        values = np.array(list(row.values.values()))
        single = len(values) == 1
        share = binomtest(row.num_inside, len(values)).proportion_ci(method="wilson")
        numbers = [
            values.mean(),
            "" if single else values.std(ddof=1),
            *(["", ""] if single else row.mean_interval),
            row.num_inside,
            share.low,
            share.high,
        ]
        shown = [f"{x:.6g}" if isinstance(x, float) else x for x in numbers]
        settings = [row.overrides.get(name, "") for name in names]
        words = criterion({"at_least": 1.0, **row.record})
        writer.writerow([row.claim, *settings, len(values), *shown, words])
    return buffer.getvalue()


def draw(table: Sequence[Row], *, num_columns: int = 3) -> Figure:
    """A panel a claim: every seed as a dot, mean and interval, the criterion shaded.

    Args:
        table: Rows of one sweep, at least one.
        num_columns: Panels side by side.
    """
    claims = list(dict.fromkeys(row.claim for row in table))
    height = math.ceil(len(claims) / num_columns)
    fig, axes = plt.subplots(
        height,
        min(num_columns, len(claims)),
        figsize=(2.7 * min(num_columns, len(claims)), 2.3 * height),
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[len(claims) :]:
        ax.set_axis_off()
    for ax, claim in zip(axes.flat, claims, strict=False):
        _panel(ax, [row for row in table if row.claim == claim])
    return fig


def _panel(ax: Any, table: Sequence[Row]) -> None:
    for x, row in enumerate(table):
        values = list(row.values.values())
        spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else [0.0]
        ax.plot(x + np.asarray(spread), values, "o", color="0.6", ms=3)
        ax.plot(x, np.mean(values), "s", color="C0", ms=5)
        if len(values) > 1:
            ax.plot([x, x], row.mean_interval, color="C0", lw=2)
    low, high = table[0].record["low"], table[0].record["high"]
    bottom, top = ax.get_ylim()
    ax.axhspan(
        bottom if low is None else max(low, bottom),
        top if high is None else min(high, top),
        color="C2",
        alpha=0.15,
        lw=0,
    )
    ax.set_ylim(bottom, top)
    ax.set_title(table[0].claim, fontsize="small")
    labels = [
        "\n".join(f"{name}={value}" for name, value in row.overrides.items())
        for row in table
    ]
    ax.set_xticks(range(len(table)), labels, fontsize="x-small")
    ax.set_xlim(-0.5, len(table) - 0.5)
