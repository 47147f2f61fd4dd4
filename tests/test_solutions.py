"""Every exercise has a solution whose code runs, checks something, and is laid out."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from build_book import chapters
from teaching import GRADES, Exercise, exercises

ROOT = Path(__file__).parents[1]
SEEDS = {1009, 1013, 1019, 1021, 1031}
SOLVED = [
    pytest.param(exercise, id=f"{path.stem}-{exercise.number}")
    for path in chapters(ROOT)
    for exercise in exercises(nbformat.read(path, as_version=4), path.name)
]
RUFF = Path(sys.executable).parent / "ruff"


@pytest.mark.parametrize("path", chapters(ROOT), ids=lambda path: path.stem)
def test_three_exercises_rise_in_grade(path: Path):
    found = exercises(nbformat.read(path, as_version=4), path.name)
    assert len(found) == len(GRADES)
    for exercise, grades in zip(found, GRADES, strict=True):
        assert exercise.grade in grades


@pytest.mark.parametrize("exercise", SOLVED)
def test_solution_runs(exercise: Exercise):
    namespace: dict[str, Any] = {"__name__": f"solution_{exercise.number}"}
    before, dtype = torch.random.get_rng_state(), torch.get_default_dtype()
    exec(compile(exercise.code, "solution", "exec"), namespace)
    # Draws are seeded by themselves, and nothing is left behind for the next cell.
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_default_dtype() == dtype


@pytest.mark.parametrize("exercise", SOLVED)
def test_solution_checks_something_that_it_computed(exercise: Exercise):
    nodes = list(ast.walk(ast.parse(exercise.code)))
    checks = [node.test for node in nodes if isinstance(node, ast.Assert)]
    assert checks
    for check in checks:
        assert any(isinstance(node, ast.Name) for node in ast.walk(check))


@pytest.mark.parametrize("exercise", SOLVED)
def test_solution_leaves_the_committed_seeds_alone(exercise: Exercise):
    assert not SEEDS & {int(number) for number in re.findall(r"\b\d+\b", exercise.code)}


@pytest.mark.parametrize("exercise", SOLVED)
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda c: c[0])
def test_solution_is_laid_out_as_a_cell_is(command: list[str], exercise: Exercise):
    # By its name it falls under the rules of notebooks/ruff.toml.
    done = subprocess.run(
        [RUFF, *command, "--stdin-filename", "notebooks/solution.py", "-"],
        input=exercise.code + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
