"""The runs of a sweep: a grid of seeds and settings, checked before anything starts."""

import ast
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geomlib
from geomlib.checks import one_of
from geomlib.sizes import SIZES, checked_overrides

LARGEST = 10_000  # runs in one sweep
UNKNOWN = object()  # value of a setting that only running the notebook would tell


@dataclass(frozen=True)
class Task:
    """One run of a notebook.

    Attributes:
        chapter: Name of the notebook, without its ending.
        size: One of ``smoke``, ``cpu``, ``gpu``.
        seed: The one seed of the run.
        overrides: Settings that are changed, in the order they were given.
        key: Digest of all that the result depends on: these, the notebook's code and the
            library's.
    """

    chapter: str
    size: str
    seed: int
    overrides: Mapping[str, Any]
    key: str


def planned(
    notebook: Path,
    *,
    size: str,
    seeds: Sequence[int],
    settings: Mapping[str, Sequence[Any]],
) -> list[Task]:
    """Every combination of seeds and settings, as a run each.

    Args:
        notebook: The notebook's file; nothing in it is run.
        size: One of ``smoke``, ``cpu``, ``gpu``.
        seeds: Distinct whole numbers.
        settings: Values to try, by the name of a setting that the notebook has.

    Raises:
        FileNotFoundError: If there is no such notebook.
        ValueError: If it chooses no sizes, has no such setting, a value is of another
            type than the setting's, a seed comes twice, or the grid is of no run or of
            more than ten thousand.
    """
    one_of("size", size, SIZES)
    code = code_of(notebook)
    known = _settings_of(code, notebook.name, size)
    if unknown := sorted(settings.keys() - known.keys()):
        raise ValueError(
            f"settings must be ones that {notebook.name} has ({', '.join(known)}), got "
            f"{', '.join(unknown)}."
        )
    count = len(seeds)
    for values in settings.values():
        count *= len(values)
    if not 1 <= count <= LARGEST:
        raise ValueError(
            f"a sweep must be of 1 to {LARGEST} runs, got {count}. Give more seeds or "
            "values, or fewer: ranges of seeds are half-open, 2000:2003 is three."
        )
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be distinct, got {list(seeds)}.")
    everything = _digest(code, _library())
    tasks: list[Task] = []
    for values in itertools.product(*settings.values()):
        overrides = dict(zip(settings, values, strict=True))
        # The others are checked by the notebook itself, in every run.
        told = {k: v for k, v in overrides.items() if known[k] is not UNKNOWN}
        checked_overrides(notebook.stem, told, known)
        for seed in seeds:
            key = _digest(everything, size, seed, overrides)
            tasks.append(Task(notebook.stem, size, seed, overrides, key))
    if len({task.key for task in tasks}) != count:
        raise ValueError(f"values of a setting must be distinct, got {dict(settings)}.")
    return tasks


def code_of(notebook: Path) -> str:
    """A notebook without its outputs and words, as JSON: what a worker needs of it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no notebook.
    """
    if not notebook.is_file():
        raise FileNotFoundError(
            f"notebook must be an existing file, got {str(notebook)!r}."
        )
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        kept = [
            {
                "cell_type": "code",
                "source": "".join(cell["source"]),
                "metadata": {"tags": cell["metadata"].get("tags", [])},
            }
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"notebook must be a Jupyter notebook of format 4, got {notebook.name} "
            f"({type(error).__name__})."
        ) from error
    return json.dumps({"cells": kept})


def seeds_of(text: str) -> list[int]:
    """Seeds from ``2000:2020`` (2000 to 2019) or ``7,8,11``.

    Raises:
        ValueError: If the text reads otherwise.

    >>> seeds_of("2000:2003"), seeds_of("7,11")
    ([2000, 2001, 2002], [7, 11])
    """
    try:
        first, colon, end = text.partition(":")
        if colon:
            return list(range(int(first), int(end)))
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"seeds must read FIRST:END, END left out, or a list 7,8,11, got {text!r}."
        ) from error


def settings_of(words: Sequence[str]) -> dict[str, list[Any]]:
    """Values to try from words ``name=value,value``: Python literals, else strings.

    Raises:
        ValueError: If a word reads otherwise, or a name comes twice.

    >>> settings_of(["width=8,16", "data=digits"])
    {'width': [8, 16], 'data': ['digits']}
    """
    found: dict[str, list[Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name or not text:
            raise ValueError(f"settings must read name=value,value, got {word!r}.")
        if name in found:
            raise ValueError(f"settings must be given once each, got {name} twice.")
        try:
            found[name] = list(ast.literal_eval(f"[{text}]"))
        except (SyntaxError, ValueError):
            found[name] = text.split(",")
    return found


def _settings_of(code: str, name: str, size: str) -> dict[str, Any]:
    """Settings of a size, read off the notebook's call of ``sizes.choose``."""
    names: dict[str, ast.expr] = {}  # of cells before count too
    for cell in json.loads(code)["cells"]:
        for node in ast.walk(ast.parse(cell["source"])):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    names[target] = value
                case ast.AugAssign(ast.Name(id=target), ast.BitOr(), value):
                    names[target] = ast.BinOp(names[target], ast.BitOr(), value)
                case ast.Call(func=ast.Attribute(attr="choose"), keywords=words):
                    tables = {word.arg: word.value for word in words}
                    if size in tables:
                        return _table(tables[size], names, name)
                case _:
                    pass
    raise ValueError(
        f"notebook must choose a size as the book's do (sizes.choose), got {name}, which "
        "does not."
    )


def _table(node: ast.expr, names: Mapping[str, ast.expr], notebook: str) -> dict[str, Any]:
    """Value of ``dict(...)`` or ``{...}``, of a name for one, or of two joined by |."""
    match node:
        case ast.Name(id=name) if name in names:
            return _table(names[name], names, notebook)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _table(left, names, notebook) | _table(right, names, notebook)
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words):
            pairs = [(str(word.arg), word.value) for word in words]
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (str(ast.literal_eval(k)), v)
                for k, v in zip(keys, values, strict=True)
                if k
            ]
        case _:
            raise ValueError(
                f"settings must be a dict in {notebook}, got {ast.unparse(node)}."
            )
    return {key: _value(value) for key, value in pairs}


def _value(node: ast.expr) -> Any:
    """A literal's value; for anything else UNKNOWN."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def _library() -> str:
    """All code of the library: another version makes another result."""
    root = Path(geomlib.__file__).parent
    sources = (path.read_bytes() for path in sorted(root.rglob("*.py")))
    return hashlib.sha256(b"\0".join(sources)).hexdigest()


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]
