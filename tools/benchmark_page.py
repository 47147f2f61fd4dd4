"""The benchmarks page, made from the records that the benchmarks wrote."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Record = dict[str, Any]
Run = dict[str, Any]

OURS = "geomlib"
UNCHECKED = "geomlib, no check for repeats"
NONE = "–"
PROBLEMS = {
    "A": "a self-supervised head under InfoNCE over two views",
    "B": "ResNet-18 under cross-entropy",
}
INTRODUCTION = """# Benchmarks

What the routines of `geomlib.hessian` cost, beside three libraries that do the same, and
what stacked training, metrics in chunks and a second worker save. Each figure is the
median over the repeats, with the least and the greatest in brackets; no run is left out.
Methods ran in turns, within one process but for the sweep, on the same weights, data and
loss. A ratio compares two methods within one turn: it bears a busy machine better than
seconds do. Tables are drawn from `benchmarks/results`, and `benchmarks/` holds the
commands.

No other library looks for repeated eigenvalues, so the same work is that of `geomlib`
without the check; the check is what the default buys for the difference.

Four limits are known. A product of ResNet-18 costs more than PyHessian's, which does not
copy it into one vector. Of the time for a whole matrix most goes into products taken many
at once, whose size the cache bounds; copies and the check of symmetry take the rest.
Tracking both ends costs more than the training steps between two measurements, even with a
probe batch a quarter as large. And a second worker is worth less than a second core: runs
beside each other slow each other down, those of `swish_negative_curvature`, which forms
many Hessians, more than those of `local_metrics`.
"""


def number(value: float) -> str:
    """Three digits, without an exponent where it is easily read.

    >>> number(1234.5), number(0.1234), number(0.0000123)
    ('1,234', '0.123', '1.2e-05')
    """
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest.

    >>> spread([3.0, 1.0, 2.0])
    '2 (1 to 3)'
    """
    if not values:
        return NONE
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))} to {number(max(values))})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """List-table, whose cells may hold any text."""
    lines = ["```{list-table}", ":header-rows: 1", ""]
    for row in (head, *rows):
        lines += [f"{'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, "```", ""])


def worst(runs: Sequence[Run], field: str) -> str:
    """Largest error over the repeats."""
    values = [run[field] for run in runs]
    if any(value is None for value in values):
        return "not offered"
    return f"{max(values):.1e}"


def ratios(runs: Sequence[Run], base: Sequence[Run], clock: str) -> list[float]:
    """Time of each run over that of the base in the same turn."""
    if not base:
        return []
    pairs = zip(runs, base, strict=True)
    return [run[clock] / own[clock] for run, own in pairs if clock in run and clock in own]


def mebibytes(runs: Sequence[Run]) -> list[float]:
    """Peak memory of the runs on machines that tell."""
    return [run["peak_bytes"] / 2**20 for run in runs if run["peak_bytes"] is not None]


def method_row(method: Record, found: Record, clock: str) -> list[str]:
    """Cells of one method; ``found`` holds the runs of all by name."""
    done = [run for run in method["runs"] if "error" not in run]
    if not done:
        return [method["name"], *[NONE] * 7]
    return [
        method["name"],
        spread([run[clock] for run in done]),
        *(
            spread(ratios(method["runs"], found.get(o, []), clock))
            for o in (OURS, UNCHECKED)
        ),
        spread([run["num_products"] for run in done]),
        worst(done, "error_largest"),
        worst(done, "error_smallest"),
        spread(mebibytes(done)),
    ]


def method_note(method: Record) -> str:
    """What was called, and why there is no figure where there is none."""
    reasons = sorted({run["error"] for run in method["runs"] if "error" in run})
    failed = f"Not offered: {'; '.join(reasons)}. " if reasons else ""
    return f"- **{method['name']}**: {failed}{method['note']}"


def machine(record: Record) -> str:
    """Device, threads and versions, in one line."""
    known = {name: v for name, v in record["versions"].items() if v is not None}
    versions = ", ".join(f"{name} {v}" for name, v in known.items())
    count = record["threads"]
    threads = f"{count} thread{'' if count == 1 else 's'}"
    kind = "wall-clock" if record["clock"] == "wall_seconds" else "processor"
    return f"Device: {record['device']}, {threads}; {kind} seconds. Versions: {versions}.\n"


def eigenvalues(record: Record) -> str:
    """Section on the two ends of a spectrum."""
    wanted, clock = record["wanted"], record["clock"]
    name = record["problem"]
    found = {method["name"]: method["runs"] for method in record["methods"]}
    head = (
        "Method",
        "Seconds",
        "Times ours",
        "Times ours, no check",
        "Products",
        "Error, largest",
        "Error, smallest",
        "Memory, MiB",
    )
    rows = (method_row(m, found, clock) for m in record["methods"])
    return "\n".join(
        [
            f"## Both ends of a spectrum: problem {name}, {record['device']}\n",
            f"Problem {name} is {PROBLEMS.get(name, 'not described')}: "
            f"{record['size']:,} parameters, batch {record['batch']}, {record['dtype']}. "
            f"Wanted are the {wanted['num_largest']} largest eigenvalues and the "
            f"{wanted['num_smallest']} smallest, at a relative error of "
            f"{wanted['relative_error']:g} against a float64 reference. Errors are the "
            "worst over the repeats and, among the largest, over the eigenvalues.\n",
            table(head, rows),
            *map(method_note, record["methods"]),
            "",
            machine(record),
        ]
    )


def products(record: Record) -> str:
    """Sections on products, the whole matrix, and cost against size and batch."""
    clock = record["clock"]
    parts = [f"## Products and matrices, {record['device']}\n"]
    for part, content in record.items():
        if part.startswith("products "):
            parts += _product_parts(content, clock)
    if "dense" in record:
        parts += _dense_parts(record["dense"], clock)
    for kind, title in (("sizes", "Cost against size"), ("batches", "Cost against batch")):
        if kind in record:
            parts += [
                f"### {title}\n",
                "A head under InfoNCE; both ends as above, with the defaults.\n",
                table(SCALING, (_scaling_row(point, clock) for point in record[kind])),
            ]
    return "\n".join([*parts, machine(record)])


def _product_parts(problem: Record, clock: str) -> list[str]:
    runs = problem["runs"]
    rows = []
    for name, of in runs.items():
        vectors = problem["vectors"].get(name, 1)
        gradients = [x / vectors for x in ratios(of, runs["gradient"], clock)]
        seconds = [run[clock] / vectors for run in of]
        rows.append([name, spread(seconds), spread(gradients)])
    return [
        f"### A Hessian-vector product in gradients: problem {problem['problem']}\n",
        f"{problem['size']:,} parameters, batch {problem['batch']}. A gradient is one "
        "forward and one backward pass. Figures are for one vector.\n",
        table(("Product", "Seconds", "In gradients"), rows),
    ]


def compared(runs: Mapping[str, Sequence[Run]], clock: str) -> str:
    """Table of methods that did the same work."""
    rows = (
        [
            name,
            spread([run[clock] for run in of]),
            spread(ratios(of, runs[OURS], clock)),
            spread(mebibytes(of)),
        ]
        for name, of in runs.items()
    )
    return table(("Method", "Seconds", "Times ours", "Memory, MiB"), rows)


def _dense_parts(dense: Record, clock: str) -> list[str]:
    return [
        "### The whole matrix\n",
        f"{dense['size']:,} parameters, batch {dense['batch']}. The two matrices differ by "
        f"{dense['difference']:.1e} of the largest entry.\n",
        compared(dense["runs"], clock),
    ]


def _scaling_row(point: Record, clock: str) -> list[str]:
    runs = point["runs"]
    return [
        f"{point['size']:,}",
        str(point["batch"]),
        spread([run[clock] for run in runs["gradient"]]),
        spread(ratios(runs[OURS], runs["gradient"], clock)),
        spread([run[clock] for run in runs["both ends"]]),
        str(point["num_products"]),
        spread(ratios(runs["both ends"], runs["gradient"], clock)),
    ]


def tracking(record: Record) -> str:
    """Section on the tracker along a training run."""
    clock, runs = record["clock"], record["runs"]
    plain = runs["training"]
    rows = (
        [
            name,
            spread([run[clock] for run in of]),
            spread([ratio - 1 for ratio in ratios(of, plain, clock)]),
            spread([run["num_products"] for run in of]),
        ]
        for name, of in runs.items()
        if name != "training"
    )
    return "\n".join(
        [
            f"## Curvature along a training run: {record['device']}\n",
            f"{record['size']:,} parameters, batch {record['batch']}, "
            f"{record['num_steps']} steps of Adam, which take "
            f"{spread([run[clock] for run in plain])} seconds by themselves; the largest "
            f"and the smallest eigenvalue at every {record['every']} steps, to 1 %. The "
            "overhead is the time added, in times of the training alone.\n",
            table(("Tracker", "Seconds", "Overhead", "Products"), rows),
            machine(record),
        ]
    )


def grid(record: Record) -> str:
    """Section on a grid of heads trained stacked."""
    clock, points = record["clock"], record["points"]
    others = [name for name in points[0]["runs"] if name != "stacked"]
    rows = (
        [
            f"{point['features']}-{point['width']}-{point['bottleneck']}",
            str(point["batch"]),
            spread([run[clock] for run in point["runs"]["stacked"]]),
            *(
                spread(ratios(point["runs"][o], point["runs"]["stacked"], clock))
                for o in others
            ),
            number(point["difference"]),
        ]
        for point in points
    )
    head = ("Widths", "Batch", "Stacked, s", *(f"Times: {o}" for o in others), "Difference")
    return "\n".join(
        [
            f"## A grid of heads, stacked: {record['device']}\n",
            f"{record['num_runs']} runs of {record['num_steps']} steps: SimSiam's heads of "
            "four activations, with batch norm and without, at three rates, from five "
            "seeds. Stacked, runs of one head share one product a layer; one after the "
            "other, the same code trains a stack of one, or modules and torch's SGD do. "
            "Widths are of features, embeddings and the predictor's hidden layer; the "
            "difference is the largest in the spread of a run at the end.\n",
            table(head, rows),
            machine(record),
        ]
    )


def metric(record: Record) -> str:
    """Section on pullback metrics of a head at many samples."""
    notes = [f"- **{name}**: {note}" for name, note in record["notes"].items()]
    return "\n".join(
        [
            f"## Pullback metrics at many samples: {record['device']}\n",
            f"{record['num_samples']:,} samples, head of {record['depth']} layers, "
            f"{record['num_inputs']} to {record['num_outputs']}, {record['dtype']}. The "
            "spreads of the metrics, which is what the methods return, differ by "
            f"{record['difference']:.1e} at most.\n",
            compared(record["runs"], record["clock"]),
            *notes,
            "",
            machine(record),
        ]
    )


def nnk(record: Record) -> str:
    """Section on non-negative kernel regression of many samples."""
    notes = [f"- **{name}**: {note}" for name, note in record["notes"].items()]
    rows = [
        [
            found["kernel"],
            name,
            spread([run[record["clock"]] for run in runs]),
            spread(ratios(runs, found["runs"][OURS], record["clock"])),
            number(found["quality"][name]["neighbours"]),
            f"{found['quality'][name]['broken']:.1%}",
            f"{found['quality'][name]['other_support']:.1%}",
            f"{found['quality'][name]['violation']:.1e}",
        ]
        for found in record["kernels"]
        for name, runs in found["runs"].items()
    ]
    return "\n".join(
        [
            f"## Neighbours by non-negative kernel regression: {record['device']}\n",
            f"{record['num_samples']:,} patches of photographs, {record['num_inputs']} "
            f"numbers each, {record['num_candidates']} candidates, {record['dtype']}, the "
            "kernel matrices being given. Not optimal: samples whose weights miss the "
            f"optimality conditions by more than {number(record['broken'])}; other "
            "neighbours: samples whose neighbours are not those that SciPy finds.\n",
            table(NEIGHBOURS, rows),
            *notes,
            "",
            machine(record),
        ]
    )


def sweep(record: Record) -> str:
    """Section on a sweep by one worker and by more."""
    clock = record["clock"]
    alone = next(iter(record["runs"].values()))
    rows = [
        [
            name,
            spread([run[clock] for run in runs]),
            spread([one[clock] / run[clock] for one, run in zip(alone, runs, strict=True)]),
            "yes" if all(run["same_table"] for run in runs) else "no",
        ]
        for name, runs in record["runs"].items()
    ]
    return "\n".join(
        [
            f"## Sweep by one worker and by two: {record['chapter']}, {record['device']}\n",
            f"{record['num_runs']} runs of the chapter `{record['chapter']}` at size cpu, "
            f"one seed each, on {record['cores']} cores. Each command is timed whole, from "
            "`python -m geomlib.sweep` to its end, one after the other in turns.\n",
            table(("Workers", "Seconds", "Times faster", "Same table"), rows),
            machine(record),
        ]
    )


NEIGHBOURS = (
    "Kernel",
    "Method",
    "Seconds",
    "Times ours",
    "Neighbours",
    "Not optimal",
    "Other neighbours",
    "Largest violation",
)
SCALING = (
    "Parameters",
    "Batch",
    "Gradient, s",
    "Product, in gradients",
    "Both ends, s",
    "Products",
    "In gradients",
)
SECTIONS = {
    "eigenvalues": eigenvalues,
    "products": products,
    "tracking": tracking,
    "grid": grid,
    "metric": metric,
    "nnk": nnk,
    "sweep": sweep,
}


def page(folder: Path) -> str:
    """MyST text of the benchmarks.

    Args:
        folder: Where the records are; kinds of records unknown here are left out.
    """
    paths = sorted(folder.glob("*.json"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    parts = [INTRODUCTION]
    for kind, section in SECTIONS.items():
        parts += [section(record) for record in records if record["benchmark"] == kind]
    return "\n".join(parts)
