"""A sweep of eight runs by one worker, and by two: whole commands, in turns.

    python benchmarks/sweeping.py notebooks/local_metrics.ipynb --output sweep-cpu.json

What is timed is ``python -m geomlib.sweep`` from its start to its end, with the scheduler's
and the workers' own starts. Each command writes into a new folder, so that nothing is
found done. Let nothing else run beside it.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from eigenvalues import environment

from geomlib.places import write_text

SEEDS = range(2000, 2008)
WORKERS = (1, 2)


def sweep(notebook: Path, num_workers: int, folder: Path) -> tuple[float, list[list[str]]]:
    """Seconds of one command, and the rows of the table that it leaves."""
    command = [sys.executable, "-m", "geomlib.sweep", notebook, "--size", "cpu"]
    command += ["--seeds", f"{SEEDS.start}:{SEEDS.stop}", "--output", folder / "sweep"]
    command += ["--workers", str(num_workers)]
    # Nothing kept by an earlier command may be found, and each worker has one thread.
    alone = {"GEOMLIB_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | alone, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    with (folder / "sweep" / "table.csv").open(encoding="utf-8", newline="") as lines:
        return seconds, list(csv.reader(lines))


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {f"workers {n}": [] for n in WORKERS}
    first: list[list[str]] = []
    for turn in range(arguments.repeats):
        for num_workers in WORKERS if turn % 2 == 0 else reversed(WORKERS):
            with tempfile.TemporaryDirectory() as folder:
                seconds, rows = sweep(arguments.notebook, num_workers, Path(folder))
            first = first or rows
            same = rows == first
            runs[f"workers {num_workers}"].append(
                {"wall_seconds": seconds, "same_table": same}
            )
            print(f"{num_workers} workers: {seconds:.1f} s, same table: {same}", flush=True)
        record = {
            "benchmark": "sweep",
            **environment(torch.device("cpu")),
            # Commands of several processes, which share the cores.
            "clock": "wall_seconds",
            "chapter": arguments.notebook.stem,
            "num_runs": len(SEEDS),
            "cores": os.cpu_count(),
            "runs": runs,
        }
        # Whole after every turn, so that a measurement that is stopped is not lost.
        write_text(arguments.output, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
