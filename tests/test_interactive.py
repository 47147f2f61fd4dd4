"""Interactive figures: their data are there and small, the vendored files as published."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_book import chapters
from notebook import interactive, read

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "book" / "_static"
DATA = ROOT / "results" / "cpu" / "artefacts"
VENDORED = [STATIC / "d3", ROOT / "tests" / "vendor" / "axe"]
MOST_BYTES = 150_000


def places() -> list[str]:
    """Names of the figures that the chapters have a place for."""
    return [name for path in chapters(ROOT) for name in interactive(read(path))]


def numbers(value: object) -> Iterator[float]:
    """Every number in the data."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def test_every_place_has_its_script_and_its_data():
    names = places()
    assert len(set(names)) == len(names)
    shared = "interactive"
    scripts = {path.stem for path in (STATIC / "interactive").glob("*.js")} - {shared}
    assert set(names) == scripts == {path.stem for path in DATA.glob("*.json")}
    template = (ROOT / "book" / "_templates" / "layout.html").read_text(encoding="utf-8")
    listed = re.search(r"for name in (\[.*?\]) if", template)
    assert listed
    assert json.loads(listed[1]) == sorted(names)


def test_data_are_finite_and_small():
    for path in DATA.glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        assert all(map(math.isfinite, numbers(data))), path.name
        assert path.stat().st_size <= MOST_BYTES, path.name


@pytest.mark.parametrize("folder", VENDORED, ids=lambda folder: folder.name)
def test_vendored_file_is_the_published_one(folder: Path):
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    name = re.search(r"^File +(\S+),", readme, re.MULTILINE)
    wanted = re.search(r"^SHA-256 +(\w+)$", readme, re.MULTILINE)
    assert name
    assert wanted
    assert hashlib.sha256((folder / name[1]).read_bytes()).hexdigest() == wanted[1]
    assert (folder / "LICENSE.txt").is_file()


def test_colours_are_those_of_the_book():
    style = (ROOT / "src/geomlib/book.mplstyle").read_text(encoding="utf-8")
    palette = {f"#{code.lower()}" for code in re.findall(r'"([0-9A-F]{6})"', style)}
    css = (STATIC / "interactive" / "interactive.css").read_text(encoding="utf-8")
    used = re.findall(r"--colour-\d: (#\w+)", css)
    assert len(used) == 8  # four on a light page, four on a dark one
    assert set(used) < palette
