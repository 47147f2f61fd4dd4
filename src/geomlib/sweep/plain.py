"""A notebook's code cells run with plain Python, where there is no Jupyter.

Every cell must be plain Python: a line magic (%) or a shell line (!) is refused.
Figures are drawn, not shown; the value of a cell's last line is printed.
"""

import ast
import json
from pathlib import Path
from typing import Any


def cells(path: Path) -> list[tuple[str, bool]]:
    """Source of each code cell, and whether it is the parameters cell."""
    if not path.is_file():
        raise SystemExit(f"notebook must be an existing file, got {path}.")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for number, cell in enumerate(
        (c for c in notebook["cells"] if c["cell_type"] == "code"), start=1
    ):
        source = "".join(cell["source"])
        for line in source.splitlines():
            if line.lstrip().startswith(("%", "!")):
                raise SystemExit(
                    f"{path.name}, code cell {number}: only plain Python runs here, got "
                    f"{line.strip()!r}. Run this notebook in Jupyter."
                )
        found.append((source, "parameters" in cell["metadata"].get("tags", [])))
    return found


def given_parameters(arguments: list[str]) -> dict[str, Any]:
    """Values of ``name=value`` arguments: Python literals, or else words."""
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            raise SystemExit(f"parameters must read name=value, got {argument!r}.")
        try:
            given[name] = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            given[name] = text
    return given


def run(path: Path, given: dict[str, Any]) -> None:
    """Execute the cells of a notebook in one namespace, parameters replaced."""
    found = cells(path)
    known = [
        name for source, is_parameters in found if is_parameters for name in _names(source)
    ]
    if unknown := given.keys() - set(known):
        raise SystemExit(
            f"parameters must be ones that {path.name} has "
            f"({', '.join(known)}), got {', '.join(sorted(unknown))}."
        )
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, (source, is_parameters) in enumerate(found, start=1):
        try:
            _execute(source, f"{path.name}, code cell {number}", namespace)
        except Exception as error:
            error.add_note(f"in {path.name}, code cell {number}")
            raise
        if is_parameters:
            namespace.update(given)


def _names(source: str) -> list[str]:
    """Names that a cell assigns."""
    return [
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _execute(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Run one cell and print its last line's value, as Jupyter shows it."""
    body = ast.parse(source, name).body
    last = body[-1] if body else None
    if isinstance(last, ast.Expr):
        body.pop()
    exec(compile(ast.Module(body, type_ignores=[]), name, "exec"), namespace)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        if value is not None:
            print(value)
