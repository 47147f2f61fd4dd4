"""What the page for teachers says of the chapters is what the chapters say."""

import re
from pathlib import Path

import nbformat
import pytest
from teaching import exercises

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| \[(?P<title>[^\]]+)\]\(\.\./notebooks/(?P<name>\w+)\.ipynb\) \| (?P<goal>[^|]+) "
    r"\| (?P<before>[^|]+) \| (?P<read>\d+) \| (?P<run>[a-z ]+) \| (?P<exercises>\d+) \|$",
    re.MULTILINE,
)
ROWS = {match["name"]: match for match in ROW.finditer(PAGE)}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def overview(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return next(cell.source for cell in cells if cell.source.startswith("## Overview"))


def test_table_lists_every_notebook_once():
    assert sorted(ROWS) == [path.stem for path in NOTEBOOKS]
    assert len(ROW.findall(PAGE)) == len(ROWS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_overview_states_goals_and_times_alike(path: Path):
    text = overview(path)
    goals = re.search(r"^.*In this chapter you will\n\n((?:- .+\n)+)", text, re.MULTILINE)
    assert goals is not None
    assert 4 <= len(goals[1].splitlines()) <= 7
    assert len(re.findall(r"\bIt reads in \d+ minutes", text)) == 1
    assert len(re.findall(r"At size `cpu` the notebook runs .+? minutes? on", text)) == 1
    assert "`smoke`" in text
    assert "`gpu`" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_table_says_what_the_chapter_says(path: Path):
    row, text = ROWS[path.stem], overview(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source.startswith(f"# {row['title']}")
    assert f"It reads in {row['read']} minutes" in text
    assert re.search(rf"the notebook runs {row['run']} minutes?\b", text)
    assert len(exercises(notebook, path.name)) == int(row["exercises"])


def test_chapters_of_the_seminar_are_chapters():
    weeks = re.findall(r"^\| \d \| ([^|]+) \|", PAGE, re.MULTILINE)
    titles = [row["title"] for row in ROWS.values()]
    assert len(weeks) == 6
    for name in (name for week in weeks for name in week.split(", ")):
        if name != "and the projects":
            assert any(title.startswith(name) for title in titles), name
