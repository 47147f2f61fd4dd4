"""What students get holds no solution; what instructors get holds all of them."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import teaching
from build_book import chapters
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from notebook import NotebookError, code_cells
from toy_notebooks import executed, toy, write

from geomlib.sweep import plain

ROOT = Path(__file__).parents[2]
CHAPTERS = chapters(ROOT)
TOLD = "See [another](other.ipynb) and the [scoreboard](../book/scoreboard.md#sums)."
EXERCISES = """## Exercises

1. *(warm-up)* What is 2 + 2?

````{dropdown} Solution
It is four.

```python
assert 2 + 2 == 4
```
````

2. *(code)* Add three numbers.

With `sum`, say.

````{dropdown} Solution
```python
assert sum([1, 2, 3]) == 6
```

Their order is free.
````"""


def chapter(text: str = EXERCISES, told: str = TOLD) -> NotebookNode:
    """A chapter that has run, with exercises between two other sections."""
    notebook = toy("print(2 + 2)")
    notebook.cells[0].source += "\n\n[Open in Colab](https://colab.research.google.com/x)"
    done = executed(notebook, "4\n")
    done.cells.append(new_markdown_cell(f"{told}\n\n{text}\n\n## References\n\n- Euclid"))
    return done


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def code(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in code_cells(notebook))


def load(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


# --- A chapter of two exercises.


def test_exercises_are_read_as_they_stand():
    first, second = teaching.exercises(chapter(), "toy.ipynb")
    assert first == teaching.Exercise(
        1, "warm-up", "What is 2 + 2?", "It is four.", "assert 2 + 2 == 4"
    )
    assert second.question == "Add three numbers.\n\nWith `sum`, say."
    assert second.answer == "Their order is free."


def test_student_has_room_and_no_solution():
    made = teaching.student(chapter(), "toy.ipynb")
    assert "four" not in prose(made).replace("two make four", "")
    assert code_cells(made)[-2:] == [
        cell for cell in made.cells if cell.id in {"answer-code-1", "answer-code-2"}
    ]
    assert [cell.source for cell in code_cells(made)[-2:]] == ["", ""]
    assert all(not c.outputs and c.execution_count is None for c in code_cells(made))
    assert "Colab" not in prose(made)


def test_instructor_has_solutions_as_cells_and_outputs():
    made = teaching.instructor(chapter(), "toy.ipynb")
    assert "**Solution.** It is four." in prose(made)
    assert code_cells(made)[-1].source == "assert sum([1, 2, 3]) == 6"
    assert code_cells(made)[1].outputs[0].text == "4\n"
    assert "dropdown" not in prose(made)


@pytest.mark.parametrize("make", [teaching.student, teaching.instructor])
def test_all_else_stays_in_its_order(make: Callable[..., NotebookNode]):
    text = prose(make(chapter(), "toy.ipynb"))
    headings = re.findall(r"^## .*", text, re.MULTILINE)
    assert headings == ["## Exercises", "## References"]
    assert "See [another](other.ipynb) and the scoreboard." in text
    assert text.index("See [another]") < text.index("What is 2 + 2?")
    assert text.index("What is 2 + 2?") < text.index("Add three") < text.index("- Euclid")


@pytest.mark.parametrize("make", [teaching.student, teaching.instructor])
def test_versions_leave_the_chapter_as_it_was(make: Callable[..., NotebookNode]):
    given = chapter()
    before = nbformat.writes(given)
    make(given, "toy.ipynb")
    assert nbformat.writes(given) == before


def test_two_runs_write_the_same_files(tmp_path: Path):
    path = write(tmp_path / "toy.ipynb", chapter())
    contents = [
        [place.read_bytes() for place in teaching.write_versions([path], tmp_path / out)]
        for out in ("one", "two")
    ]
    assert contents[0] == contents[1]
    assert [place.name for place in sorted((tmp_path / "one").iterdir())] == [
        "instructor",
        "student",
    ]


BROKEN = {
    "no section": ("", "one section '## Exercises', got 0"),
    "two sections": (f"{EXERCISES}\n\n{EXERCISES}", "got 2"),
    "no exercise": ("## Exercises", "must have an exercise"),
    "no grade": (EXERCISES.replace("*(warm-up)* ", ""), "exercise 1 of toy.ipynb must"),
    "unknown grade": (EXERCISES.replace("warm-up", "easy"), "must be one of .*'easy'"),
    "wrong number": (EXERCISES.replace("2. *", "3. *"), "exercise 2 of toy.ipynb must"),
    "no solution": (EXERCISES.split("````")[0], "exercise 1 of toy.ipynb must"),
    "not folded": (EXERCISES.replace("{dropdown} ", ""), "exercise 1 of toy.ipynb must"),
    "no code": (EXERCISES.replace("```python\nassert 2", "```\nassert 2"), "got 0"),
    "two codes": (
        EXERCISES.replace("It is four.", "```python\n4\n```\n\nIt is four."),
        "solution 1 of toy.ipynb must hold one block ```python, got 2",
    ),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_broken_exercises_are_refused(text: str, said: str):
    with pytest.raises(NotebookError, match=said):
        teaching.exercises(chapter(text), "toy.ipynb")


def test_nothing_is_written_where_one_notebook_is_broken(tmp_path: Path):
    good = write(tmp_path / "toy.ipynb", chapter())
    bad = write(tmp_path / "broken.ipynb", chapter(""))
    with pytest.raises(NotebookError, match=r"broken\.ipynb must have one section"):
        teaching.write_versions([good, bad], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_notebooks_of_one_name_are_refused(tmp_path: Path):
    paths = [write(tmp_path / d / "toy.ipynb", chapter()) for d in ("a", "b")]
    with pytest.raises(NotebookError, match=r"must differ in name, got toy\.ipynb"):
        teaching.write_versions(paths, tmp_path / "out")


@pytest.mark.parametrize(("name", "status"), [("toy", 0), ("gone", 1)])
def test_command(
    name: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    write(tmp_path / "toy.ipynb", chapter())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["teaching.py", f"{name}.ipynb"])
    assert teaching.main() == status
    said = capsys.readouterr()
    assert (
        "existing file, got gone.ipynb" in said.err if status else "1 notebooks" in said.out
    )
    assert (tmp_path / "build/teaching/student/toy.ipynb").is_file() == (not status)


# --- The book's own chapters.


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_student_version_of_a_chapter_holds_no_solution(path: Path):
    notebook = load(path)
    made = teaching.student(notebook, path.name)
    nbformat.validate(made)
    everything = nbformat.writes(made) + prose(made) + code(made)
    assert "{dropdown}" not in everything
    assert all(not cell.outputs for cell in code_cells(made))
    for exercise in teaching.exercises(notebook, path.name):
        assert exercise.question in prose(made)
        parts = [*exercise.answer.split("\n\n"), exercise.code]
        parts += [line for line in exercise.code.splitlines() if "assert" in line]
        assert [part for part in parts if part in everything] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_instructor_version_of_a_chapter_holds_every_solution(path: Path):
    notebook = load(path)
    made = teaching.instructor(notebook, path.name)
    nbformat.validate(made)
    sources = [cell.source for cell in code_cells(made)]
    for exercise in teaching.exercises(notebook, path.name):
        assert exercise.answer in prose(made)
        assert exercise.code in sources
    for source in sources:
        compile(source, path.name, "exec")
    kept = [cell for cell in code_cells(made) if not cell.id.startswith("solution")]
    assert [c.outputs for c in kept] == [c.outputs for c in code_cells(notebook)]


@pytest.mark.parametrize("make", [teaching.student, teaching.instructor])
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_versions_link_to_what_lies_beside_them(
    path: Path, make: Callable[..., NotebookNode]
):
    made = make(load(path), path.name)
    targets = re.findall(r"\]\(([^)#]+)", prose(made))
    beside = [target for target in targets if not target.startswith("https://")]
    assert set(beside) <= {chapter.name for chapter in CHAPTERS}
    assert "setup" in {cell.id for cell in made.cells}


def test_solutions_of_a_chapter_run_as_cells_of_one_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    name = "local_metrics.ipynb"
    made = teaching.instructor(load(ROOT / "notebooks" / name), name)
    made.cells = [cell for cell in made.cells if cell.id.startswith("solution-code")]
    assert len(made.cells) == 3
    made.cells.append(new_code_cell("print(caps)"))
    plain.run(write(tmp_path / name, made), {})
    assert "[1.0, 2.0, 3.0, 4.0]" in capsys.readouterr().out
