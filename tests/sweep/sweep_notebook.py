"""A notebook that a sweep can run in a moment: it imports nothing that is slow."""

import json
from pathlib import Path

SOURCE = """
import json, os, time
from pathlib import Path

class sizes:
    @staticmethod
    def choose(chapter, size, seeds, overrides, smoke, cpu, gpu):
        return {**cpu, **overrides}

run = sizes.choose(
    "toy", size, seeds, overrides,
    smoke=dict(width=1, nap=0.0, data="a"),
    cpu=dict(width=4, nap=0.0, data="a"),
    gpu=dict(width=9, nap=0.0, data="a"),
)
"""
MEASURE = """
time.sleep(run["nap"])
(seed,) = seeds
if run["data"] == "broken" and seed % 2:
    raise ValueError("no such data")
record = {
    "claim": "toy-sum", "chapter": "toy", "low": 5, "high": None, "at_least": 1.0,
    "seeds": seeds, "values": [float(seed % 10 + run["width"])],
}
if run["data"] != "silent":
    folder = Path(os.environ["GEOMLIB_RESULTS"]) / size
    folder.mkdir(parents=True)
    (folder / "toy-sum.json").write_text(json.dumps(record))
"""


def write_notebook(path: Path, *, extra: str = "") -> Path:
    """Path of the notebook, written, with one more cell of code."""

    def cell(source: str, *tags: str) -> dict[str, object]:
        return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}

    parameters = 'size = "auto"\nseeds = [1, 2]\noverrides = {}'
    cells = [
        {"cell_type": "markdown", "source": "# A toy", "metadata": {}},
        cell(parameters, "parameters"),
        *map(cell, [SOURCE, MEASURE, extra]),
    ]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}))
    return path
