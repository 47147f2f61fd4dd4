"""The benchmarks page shows every record as it is, spread and failures included."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import benchmark_page
import pytest

ROOT = Path(__file__).parents[2]
MACHINE = {
    "device": "cpu",
    "threads": 1,
    "clock": "process_seconds",
    "versions": {"python": "3.0", "torch": "2.0", "absent": None},
}


def run(seconds: float, **others: Any) -> dict[str, Any]:
    return {"process_seconds": seconds, "wall_seconds": 99.0, "peak_bytes": 2**21, **others}


def judged(seconds: float, products: int, largest: float, smallest: float | None):
    errors = {"error_largest": largest, "error_smallest": smallest}
    return run(seconds, num_products=products, **errors)


def eigenvalues() -> dict[str, Any]:
    ours = [judged(2.0, 30, 1e-6, 2e-5), judged(4.0, 50, 3e-6, 1e-5)]
    peer = [judged(8.0, 60, 1e-4, None), judged(8.0, 60, 2e-4, None)]
    failed = [{"seed": 0, "budget": None, "error": "TypeError: no such model"}] * 2
    return {
        "benchmark": "eigenvalues",
        "problem": "A",
        "size": 12_345,
        "batch": 16,
        "dtype": "float32",
        **MACHINE,
        "wanted": {"num_largest": 5, "num_smallest": 1, "relative_error": 0.01},
        "methods": [
            {"name": "geomlib", "note": "Ours.", "runs": ours},
            {"name": "peer", "note": "Stacked views.", "runs": peer},
            {"name": "other", "note": "Old.", "runs": failed},
        ],
    }


def products() -> dict[str, Any]:
    point = {
        "size": 1_000,
        "batch": 8,
        "num_products": 40,
        "runs": {"gradient": [run(2.0)], "geomlib": [run(3.0)], "both ends": [run(80.0)]},
    }
    works = {
        "gradient": [run(1.0), run(2.0)],
        "geomlib": [run(1.5), run(3.0)],
        "geomlib, four at once": [run(4.0), run(8.0)],
    }
    dense = {"geomlib": [run(1.0)], "torch.func.hessian": [run(7.0)]}
    return {
        "benchmark": "products",
        **MACHINE,
        "products B": {
            "problem": "B",
            "size": 50,
            "batch": 4,
            "vectors": {"geomlib, four at once": 4},
            "runs": works,
        },
        "dense": {"size": 20, "batch": 4, "difference": 3e-7, "runs": dense},
        "sizes": [point],
        "batches": [point | {"batch": 16}],
    }


def drawn(folder: Path, **records: dict[str, Any]) -> str:
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    return benchmark_page.page(folder)


def tables(page: str) -> list[list[list[str]]]:
    """Cells of every table, row by row, heads left out."""
    bodies = re.findall(r"```\{list-table\}(.*?)```", page, re.DOTALL)
    found = []
    for body in bodies:
        rows = re.split(r"^\* - ", body, flags=re.MULTILINE)[2:]
        found.append([re.split(r"\n  - ", row.strip()) for row in rows])
    return found


def tracking() -> dict[str, Any]:
    return {
        "benchmark": "tracking",
        **MACHINE,
        "size": 5_000,
        "batch": 8,
        "num_steps": 100,
        "every": 10,
        "runs": {
            "training": [run(2.0, num_products=0), run(4.0, num_products=0)],
            "cold starts": [run(3.0, num_products=250), run(8.0, num_products=270)],
        },
    }


def test_overhead_is_the_time_added_in_times_of_the_training(tmp_path: Path):
    text = drawn(tmp_path, a=tracking())
    assert "which take 3 (2 to 4) seconds by themselves" in text
    seconds, overhead, products = "5.5 (3 to 8)", "0.75 (0.5 to 1)", "260 (250 to 270)"
    assert tables(text) == [[["cold starts", seconds, overhead, products]]]


def grid() -> dict[str, Any]:
    runs = {
        "stacked": [run(1.0), run(2.0)],
        "one after the other": [run(3.0), run(4.0)],
        "one after the other, torch.nn": [run(9.0), run(10.0)],
    }
    sizes = {"features": 8, "width": 16, "bottleneck": 4, "batch": 32}
    point = {**sizes, "difference": 2e-7, "runs": runs}
    return {
        "benchmark": "grid",
        **MACHINE,
        "num_runs": 6,
        "num_steps": 9,
        "points": [point],
    }


def test_ways_to_train_a_grid_are_compared_with_the_stack(tmp_path: Path):
    text = drawn(tmp_path, a=grid())
    assert "6 runs of 9 steps" in text
    ratios = ["2.5 (2 to 3)", "7 (5 to 9)"]
    assert tables(text) == [[["8-16-4", "32", "1.5 (1 to 2)", *ratios, "2.0e-07"]]]


def metric() -> dict[str, Any]:
    return {
        "benchmark": "metric",
        **MACHINE,
        "dtype": "float32",
        "depth": 2,
        "num_inputs": 8,
        "num_outputs": 4,
        "num_samples": 5000,
        "difference": 3e-9,
        "notes": {"loop": "one sample at a time."},
        "runs": {"geomlib": [run(1.0), run(2.0)], "loop": [run(5.0), run(6.0)]},
    }


def test_metrics_are_compared_with_the_loops(tmp_path: Path):
    text = drawn(tmp_path, a=metric())
    assert "5,000 samples, head of 2 layers, 8 to 4" in text
    assert "- **loop**: one sample at a time." in text
    ((ours, loop),) = tables(text)
    assert ours[:3] == ["geomlib", "1.5 (1 to 2)", "1 (1 to 1)"]
    assert loop[:3] == ["loop", "5.5 (5 to 6)", "4 (3 to 5)"]


def nnk() -> dict[str, Any]:
    quality = {"violation": 2e-13, "broken": 0.0, "other_support": 0.0, "neighbours": 7.5}
    worse = {"violation": 0.1, "broken": 0.3, "other_support": 0.4, "neighbours": 6.0}
    return {
        "benchmark": "nnk",
        **MACHINE,
        "dtype": "float64",
        "num_samples": 5000,
        "num_inputs": 12,
        "num_candidates": 20,
        "broken": 1e-6,
        "notes": {"pruning": "not exact."},
        "kernels": [
            {
                "kernel": "cosine",
                "quality": {"geomlib": quality, "pruning": worse},
                "runs": {"geomlib": [run(2.0), run(4.0)], "pruning": [run(1.0), run(1.0)]},
            }
        ],
    }


def test_neighbours_show_cost_and_what_is_wrong(tmp_path: Path):
    text = drawn(tmp_path, a=nnk())
    assert "5,000 patches of photographs, 12 numbers each, 20 candidates" in text
    ((ours, pruning),) = tables(text)
    assert ours[:5] == ["cosine", "geomlib", "3 (2 to 4)", "1 (1 to 1)", "7.5"]
    assert pruning[3:] == ["0.375 (0.25 to 0.5)", "6", "30.0%", "40.0%", "1.0e-01"]


def test_methods_show_median_spread_ratio_and_worst_error(tmp_path: Path):
    ((ours, peer, _),) = tables(drawn(tmp_path, a=eigenvalues()))
    one = [
        "geomlib",
        "3 (2 to 4)",
        "1 (1 to 1)",
        "–",
        "40 (30 to 50)",
        "3.0e-06",
        "2.0e-05",
    ]
    assert ours == [*one, "2 (2 to 2)"]
    # Ratios are taken within a turn: 8 to 2 and 8 to 4, not 8 to the median.
    assert peer[:3] == ["peer", "8 (8 to 8)", "3 (2 to 4)"]
    assert peer[5:7] == ["2.0e-04", "not offered"]


def test_same_work_is_compared_with_our_run_without_the_check(tmp_path: Path):
    record = eigenvalues()
    unchecked = [judged(1.0, 20, 1e-6, 2e-5), judged(4.0, 40, 3e-6, 1e-5)]
    record["methods"].append(
        {"name": benchmark_page.UNCHECKED, "note": "Less.", "runs": unchecked}
    )
    ((ours, peer, _, last),) = tables(drawn(tmp_path, a=record))
    assert (ours[3], peer[3], last[3]) == ("1.5 (1 to 2)", "5 (2 to 8)", "1 (1 to 1)")


def test_method_that_cannot_is_shown_with_its_error(tmp_path: Path):
    text = drawn(tmp_path, a=eigenvalues())
    ((_, _, other),) = tables(text)
    assert other[0] == "other"
    assert set(other[1:]) == {benchmark_page.NONE}
    assert "- **other**: Not offered: TypeError: no such model. Old." in text
    assert "- **peer**: Stacked views." in text


def test_method_that_fails_once_shows_the_rest(tmp_path: Path):
    record = eigenvalues()
    record["methods"][1]["runs"][0] = {"seed": 0, "budget": None, "error": "ValueError: x"}
    ((_, peer, _),) = tables(drawn(tmp_path, a=record))
    assert peer[:3] == ["peer", "8", "2"]


def test_other_clock_is_used_and_said(tmp_path: Path):
    record = eigenvalues() | {"device": "a GPU", "clock": "wall_seconds"}
    page = drawn(tmp_path, a=record)
    assert tables(page)[0][0][1] == "99 (99 to 99)"
    assert "problem A, a GPU" in page
    assert "wall-clock seconds" in page


def test_page_says_what_was_asked_of_whom(tmp_path: Path):
    page = drawn(tmp_path, a=eigenvalues())
    assert "12,345 parameters, batch 16, float32" in page
    assert "relative error of 0.01 against" in page
    assert "Device: cpu, 1 thread; processor seconds." in page
    assert "Versions: python 3.0, torch 2.0." in page


def test_products_are_counted_in_gradients_a_vector(tmp_path: Path):
    of_products, dense, sizes, batches = tables(drawn(tmp_path, p=products()))
    assert of_products == [
        ["gradient", "1.5 (1 to 2)", "1 (1 to 1)"],
        ["geomlib", "2.25 (1.5 to 3)", "1.5 (1.5 to 1.5)"],
        ["geomlib, four at once", "1.5 (1 to 2)", "1 (1 to 1)"],
    ]
    assert dense == [["geomlib", "1", "1", "2"], ["torch.func.hessian", "7", "7", "2"]]
    assert sizes == [["1,000", "8", "2", "1.5", "80", "40", "40"]]
    assert batches[0][1] == "16"


def test_parts_that_were_not_run_are_left_out(tmp_path: Path):
    record = products()
    for part in ("products B", "sizes", "batches"):
        del record[part]
    assert [len(rows) for rows in tables(drawn(tmp_path, p=record))] == [2]


def test_sections_come_in_one_order_and_unknown_kinds_are_left_out(tmp_path: Path):
    records = {"a": products(), "b": eigenvalues(), "c": {"benchmark": "tracker"}}
    page = drawn(tmp_path, **records)
    heads = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert [head.split(":")[0].split(",")[0] for head in heads] == [
        "Both ends of a spectrum",
        "Products and matrices",
    ]


def test_empty_folder_gives_the_introduction_alone(tmp_path: Path):
    assert benchmark_page.page(tmp_path) == benchmark_page.INTRODUCTION


def test_turns_that_do_not_match_are_refused(tmp_path: Path):
    record = copy.deepcopy(eigenvalues())
    record["methods"][1]["runs"].pop()
    with pytest.raises(ValueError, match="zip"):
        drawn(tmp_path, a=record)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (99.96, "100"), (1e6, "1,000,000"), (-0.0005, "-5.0e-04"), (0.05, "0.05")],
)
def test_numbers_are_short(value: float, said: str):
    assert benchmark_page.number(value) == said


def test_committed_records_can_be_drawn():
    folder = ROOT / "benchmarks" / "results"
    page = benchmark_page.page(folder)
    drawable = [
        path
        for path in folder.glob("*.json")
        if json.loads(path.read_text())["benchmark"] in benchmark_page.SECTIONS
    ]
    assert len(re.findall(r"^## ", page, re.MULTILINE)) == len(drawable)


def test_a_sweep_says_how_much_faster_two_workers_are(tmp_path: Path):
    def timed(seconds: float, same: bool = True) -> dict[str, Any]:
        return {"wall_seconds": seconds, "same_table": same}

    record = {
        "benchmark": "sweep",
        **MACHINE,
        "clock": "wall_seconds",
        "chapter": "toy",
        "num_runs": 8,
        "cores": 2,
        "runs": {
            "workers 1": [timed(80.0), timed(90.0)],
            "workers 2": [timed(40.0), timed(60.0, same=False)],
        },
    }
    text = drawn(tmp_path, a=record)
    assert "## Sweep by one worker and by two: toy, cpu" in text
    assert "8 runs of the chapter `toy` at size cpu, one seed each, on 2 cores." in text
    # Each turn against the one beside it.
    assert tables(text) == [
        [
            ["workers 1", "85 (80 to 90)", "1 (1 to 1)", "yes"],
            ["workers 2", "50 (40 to 60)", "1.75 (1.5 to 2)", "no"],
        ]
    ]
    assert "wall-clock seconds" in text
