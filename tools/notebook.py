"""What every tool needs to know of a notebook: its parameters, its code, its records."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode


class NotebookError(Exception):
    """A notebook, or what was asked of it, breaks a rule; the message says which."""


def read(path: Path) -> NotebookNode:
    """Notebook in format 4, as it lies on disk."""
    if not path.is_file():
        raise NotebookError(f"notebook must be an existing file, got {path}.")
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


def interactive(notebook: NotebookNode) -> list[str]:
    """Names of the interactive figures that a notebook's Markdown has a place for."""
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return re.findall(r'<div\b[^>]*\bdata-interactive="([a-z0-9-]+)"', "\n".join(prose))


def parameters(notebook: NotebookNode, name: str) -> dict[str, Any]:
    """Names and default values in the one cell tagged ``parameters``."""
    tagged = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise NotebookError(
            f"{name} must have exactly one cell tagged parameters, got {len(tagged)}."
        )
    values: dict[str, Any] = {}
    for statement in ast.parse(tagged[0].source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                values[target] = ast.literal_eval(value)
            case _:
                raise NotebookError(
                    f"{name}: the parameters cell may hold assignments of literals only, "
                    f"got {ast.unparse(statement)!r}."
                )
    return values


def check_parameters(notebook: NotebookNode, name: str, given: Mapping[str, Any]) -> None:
    """Refuse a parameter that the notebook does not have."""
    known = parameters(notebook, name)
    for parameter in given:
        if parameter not in known:
            raise NotebookError(
                f"parameters must be ones that {name} has ({', '.join(known)}), "
                f"got {parameter!r}."
            )


def with_outputs(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Source notebook with the outputs of its execution, and nothing else of it.

    The injected cell goes, execution counts run from 1, error output and timings are
    left out: what is committed depends on the results alone.
    """
    ran = [c for c in executed.cells if "injected-parameters" not in tags(c)]
    if [cell.source for cell in ran] != [cell.source for cell in source.cells]:
        raise NotebookError(
            "an executed notebook must have the cells of its source; run it again."
        )
    merged = nbformat.from_dict(source)
    count = 0
    for cell, done in zip(merged.cells, ran, strict=True):
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = _joined(done.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return merged


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without standard error, neighbouring pieces of printed text as one.

    What a cell prints at once arrives in one piece or in several, as the moment has it.
    """
    joined: list[NotebookNode] = []
    for output in map(nbformat.from_dict, outputs):
        printed = output.output_type == "stream"
        if printed and output.name == "stderr":
            continue
        if printed and joined and joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def printed_lines(notebook: NotebookNode) -> list[str]:
    """Lines that the notebook's cells printed."""
    return [
        line
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
        for line in output.text.splitlines()
    ]
