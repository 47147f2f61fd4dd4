"""Write the notebooks for a course: one set for students, one for instructors.

    python tools/teaching.py notebooks/*.ipynb

Students get each exercise with room for an answer, no solution and no outputs, in
build/teaching/student. Instructors get the solutions unfolded, their code as cells that
run, and the chapter's outputs, in build/teaching/instructor.
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from notebook import NotebookError, code_cells, read

from geomlib.places import write_text

# One grade for each exercise, in this order.
GRADES = (("warm-up",), ("by hand", "code"), ("project",))
SECTION = re.compile(r"^## Exercises\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^(?=\d+\. )", re.MULTILINE)
EXERCISE = re.compile(
    r"(?P<number>\d+)\. \*\((?P<grade>[a-z -]+)\)\* (?P<question>.+?)\n+"
    r"(?P<fence>`{3,})\{dropdown\} Solution\n(?P<solution>.*?)\n(?P=fence)\s*",
    re.DOTALL,
)
CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
# Pages of the book lie elsewhere than the notebooks of a course; chapters do not.
PAGE_LINK = re.compile(r"\[([^\]]*)\]\(\.\./book/[^)]*\)")
COLAB_LINK = re.compile(r"^\[Open in Colab\]\(.*\)\n*", re.MULTILINE)

Writer = Callable[["Exercise"], list[NotebookNode]]


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter.

    Attributes:
        number: Place in the section, from 1.
        grade: One of ``GRADES``.
        question: Markdown.
        answer: Markdown of the solution, without its code.
        code: Python that shows or checks the answer.
    """

    number: int
    grade: str
    question: str
    answer: str
    code: str


def exercises(notebook: NotebookNode, name: str) -> list[Exercise]:
    """Exercises of a chapter in order, each with a solution that holds code."""
    _, _, section, _ = _around(notebook, name)
    return _parsed(section, name)


def student(notebook: NotebookNode, name: str) -> NotebookNode:
    """Copy with room for answers in place of the solutions, and nothing run."""
    made = _with_exercises(notebook, name, _open)
    for cell in code_cells(made):
        cell.outputs, cell.execution_count = [], None
    for cell in made.cells:
        if cell.cell_type == "markdown":
            # On Colab the book's own notebook would open, with the solutions.
            cell.source = COLAB_LINK.sub("", cell.source).rstrip()
    return made


def instructor(notebook: NotebookNode, name: str) -> NotebookNode:
    """Copy with the solutions unfolded and their code in cells."""
    return _with_exercises(notebook, name, _solved)


def _around(notebook: NotebookNode, name: str) -> tuple[int, str, str, str]:
    """Cell that holds the exercises; its text before, inside and after the section."""
    found = [
        (index, match)
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for match in SECTION.finditer(cell.source)
    ]
    if len(found) != 1:
        raise NotebookError(
            f"{name} must have one section '## Exercises', got {len(found)}."
        )
    index, match = found[0]
    text = notebook.cells[index].source
    return index, text[: match.start()], match[1], text[match.end() :]


def _parsed(section: str, name: str) -> list[Exercise]:
    items = [item.strip() for item in ITEM.split(section) if item.strip()]
    if not items:
        raise NotebookError(f"{name} must have an exercise in its section, got none.")
    return [_exercise(item, number, name) for number, item in enumerate(items, start=1)]


def _exercise(item: str, number: int, name: str) -> Exercise:
    match = EXERCISE.fullmatch(item)
    if match is None or int(match["number"]) != number:
        raise NotebookError(
            f"exercise {number} of {name} must read '{number}. *(grade)* question' with "
            f"one folded solution after it, got {item[:60]!r}."
        )
    grades = {grade for place in GRADES for grade in place}
    if match["grade"] not in grades:
        raise NotebookError(
            f"grade of exercise {number} of {name} must be one of "
            f"{', '.join(sorted(grades))}, got {match['grade']!r}."
        )
    found = CODE.findall(match["solution"])
    if len(found) != 1:
        raise NotebookError(
            f"solution {number} of {name} must hold one block ```python, got "
            f"{len(found)}. Put a ````-fence around the solution."
        )
    answer = CODE.sub("", match["solution"]).strip()
    return Exercise(number, match["grade"], match["question"].strip(), answer, found[0])


def _with_exercises(notebook: NotebookNode, name: str, write: Writer) -> NotebookNode:
    """Copy whose exercises are cells of their own, as ``write`` makes them."""
    made = nbformat.from_dict(notebook)
    index, before, section, after = _around(made, name)
    parts = [(before.strip(), None), ("## Exercises", "exercises"), (after.strip(), "rest")]
    first, heading, rest = (
        # The cell's own identity stays with what stood first in it.
        new_markdown_cell(text, id=identity or made.cells[index].id)
        for text, identity in parts
    )
    cells = [cell for exercise in _parsed(section, name) for cell in write(exercise)]
    whole = [first, heading, *cells, rest]
    made.cells[index : index + 1] = [cell for cell in whole if cell.source or cell in cells]
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = PAGE_LINK.sub(r"\1", cell.source)
    return made


def _question(exercise: Exercise) -> NotebookNode:
    text = f"**Exercise {exercise.number}** *({exercise.grade})* {exercise.question}"
    return new_markdown_cell(text, id=f"exercise-{exercise.number}")


def _open(exercise: Exercise) -> list[NotebookNode]:
    """The question, and an empty pair of cells."""
    number = exercise.number
    return [
        _question(exercise),
        new_markdown_cell("*Your answer:*", id=f"answer-{number}"),
        new_code_cell(id=f"answer-code-{number}"),
    ]


def _solved(exercise: Exercise) -> list[NotebookNode]:
    """The question, the answer, and its code."""
    number = exercise.number
    return [
        _question(exercise),
        new_markdown_cell(f"**Solution.** {exercise.answer}", id=f"solution-{number}"),
        new_code_cell(exercise.code, id=f"solution-code-{number}"),
    ]


def write_versions(paths: list[Path], out: Path) -> list[Path]:
    """Both versions of every notebook; all are made before the first is written."""
    names = [path.name for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NotebookError(f"notebooks must differ in name, got {', '.join(twice)} twice.")
    content: dict[Path, str] = {}
    for path in paths:
        notebook = read(path)
        for make in (student, instructor):
            made = make(notebook, path.name)
            nbformat.validate(made)
            content[out / make.__name__ / path.name] = nbformat.writes(made) + "\n"
    for place, text in content.items():
        write_text(place, text)
    return list(content)


def main() -> int:
    """Exit status: 1 when a notebook breaks a rule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("build/teaching"))
    arguments = parser.parse_args()
    try:
        write_versions(arguments.notebooks, arguments.out)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    count = len(arguments.notebooks)
    print(f"{count} notebooks each: {arguments.out}/student, {arguments.out}/instructor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
