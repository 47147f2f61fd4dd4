"""Small notebooks and records for the tests of the tools."""

import json
from pathlib import Path
from typing import Any

import nbformat
import records
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook import code_cells

from geomlib import claims

SEEDS = [1009, 1013, 1019, 1021, 1031]
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CHOOSE = """from geomlib import sizes

run = sizes.choose("toy", size, seeds, overrides, smoke={}, cpu={}, gpu={})"""


def toy(*sources: str) -> NotebookNode:
    """Notebook with a title, the parameters cell (code cell 1) and cells of code."""
    assigned = f'size = "auto"\nseeds = {SEEDS}\noverrides = {{}}'
    cells = [
        new_markdown_cell("# A toy\n\nTwo and two make four."),
        new_code_cell(assigned, metadata={"tags": ["parameters"]}),
        *(new_code_cell(source) for source in sources),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def executed(notebook: NotebookNode, *texts: str) -> NotebookNode:
    """Copy whose cells have run; those after the parameters cell printed ``texts``."""
    done = nbformat.from_dict(notebook)
    for count, cell in enumerate(code_cells(done), start=1):
        cell.execution_count = count
    for cell, text in zip(code_cells(done)[1:], texts, strict=True):
        cell.outputs = [new_output("stream", name="stdout", text=text)]
    return done


def write(path: Path, notebook: NotebookNode) -> Path:
    """Path of the notebook, written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def record(claim: str = "toy-sum", **changes: Any) -> records.Record:
    """Record whose verdict follows from its values, unless it is given."""
    made: records.Record = {
        "claim": claim,
        "chapter": "toy",
        "source": "this book",
        "statement": "Two and two make four.",
        "quantity": "sum, in apples",
        "tolerance": 0.1,
        "low": 3.5,
        "high": 4.5,
        "at_least": 1.0,
        "seeds": SEEDS[:3],
        "values": [4.0, 4.1, 3.9],
        "size": "cpu",
        "device": "cpu",
        "versions": {"python": "3.13.1", "torch": "2.11.0", "geomlib": "0.1.0"},
        "seconds": 0.1,
    }
    made |= changes
    return {"verdict": claims.verdict(made), **made}


def write_records(folder: Path, *found: records.Record) -> None:
    """Put records into a folder under their claims' names."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        (folder / f"{each['claim']}.json").write_text(json.dumps(each))
