"""Every notebook opens in Colab and sets itself up there, in the same words."""

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import set_up
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from notebook import NotebookError, code_cells, tags
from toy_notebooks import executed, toy, write

import geomlib

ROOT = Path(__file__).parents[2]
CONFIG = "repository:\n  url: https://github.com/ada/heads\n  branch: trunk\n"
INIT = '"""On projection heads."""\n\n__version__ = "1.2.3"\n'
LINK = "[Open in Colab](https://colab.research.google.com/github/ada/heads/blob/trunk/notebooks/toy.ipynb)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sources of a book in another repository, with one notebook that has run."""
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "src" / "geomlib").mkdir(parents=True)
    (tmp_path / "src" / "geomlib" / "__init__.py").write_text(INIT)
    done = executed(toy("print(2)", "2 + 2"), "2\n", "")
    result = new_output("execute_result", {"text/plain": "4"}, execution_count=3)
    code_cells(done)[2].outputs = [result]
    write(tmp_path / "notebooks" / "toy.ipynb", done)
    return tmp_path


def notebook(root: Path) -> Path:
    return root / "notebooks" / "toy.ipynb"


def load(root: Path) -> NotebookNode:
    return nbformat.read(notebook(root), as_version=4)


def stamp(root: Path) -> NotebookNode:
    set_up.set_up(root, [notebook(root)], check=False)
    return load(root)


def run(monkeypatch: pytest.MonkeyPatch, root: Path, *arguments: str) -> int:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["set_up.py", *arguments, "notebooks/toy.ipynb"])
    return set_up.main()


# --- The book's own notebooks.


def test_committed_notebooks_are_in_step():
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert set_up.set_up(ROOT, paths, check=True) == [], "python tools/set_up.py <them>"


def test_one_repository_is_named_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    url, _ = set_up.repository(ROOT)
    assert project["project"]["urls"]["Homepage"] == url


def test_cell_is_short_plain_python():
    source = set_up.cell_source(ROOT)
    nodes = list(ast.walk(ast.parse(source)))
    assert not any(isinstance(node, ast.Try | ast.TryStar) for node in nodes)
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 25
    assert "$" not in source


# --- What is stamped, and what is not touched.


def test_link_ends_the_first_cell_and_the_cell_is_the_first_code(root: Path):
    done = stamp(root)
    nbformat.validate(done)
    assert done.cells[0].source == f"# A toy\n\nTwo and two make four.\n\n{LINK}"
    first = code_cells(done)[0]
    assert (first.id, tags(first)) == ("setup", ["setup", "hide-cell"])
    assert first.source == set_up.cell_source(root)
    assert 'VERSION = "1.2.3"' in first.source
    assert 'URL = "git+https://github.com/ada/heads"' in first.source


def test_other_cells_keep_their_place_and_their_outputs(root: Path):
    before, after = load(root).cells[1:], stamp(root).cells[2:]
    assert [cell.source for cell in after] == [cell.source for cell in before]
    assert [cell.id for cell in after] == [cell.id for cell in before]
    assert after[1].outputs == before[1].outputs
    # Counted on, the set-up cell being the first; the value says which cell it is of.
    assert [cell.execution_count for cell in after] == [2, 3, 4]
    assert after[2].outputs[0].execution_count == 4


def test_notebook_that_has_not_run_stays_uncounted(root: Path):
    write(notebook(root), toy("print(2)"))
    assert [cell.execution_count for cell in code_cells(stamp(root))] == [None] * 3


def test_imports_that_were_folded_become_visible(root: Path):
    old = toy()
    imports = new_code_cell("import math", metadata={"tags": ["hide-input", "setup"]})
    figure = new_code_cell("1", metadata={"tags": ["hide-input"]})
    old.cells[1:1] = [new_markdown_cell("## Overview"), imports]
    old.cells.append(figure)
    write(notebook(root), old)
    cells = stamp(root).cells
    assert [cell.id for cell in cells[1:4]] == [old.cells[1].id, "setup", imports.id]
    assert cells[3].metadata == {}
    # What another cell folds is its own affair.
    assert tags(cells[-1]) == ["hide-input"]


def test_release_changes_the_cell_alone(root: Path):
    before = stamp(root)
    init = root / "src" / "geomlib" / "__init__.py"
    init.write_text(INIT.replace("1.2.3", "1.10.0"))
    after = stamp(root)
    assert 'VERSION = "1.10.0"' in code_cells(after)[0].source
    code_cells(after)[0].source = code_cells(before)[0].source
    assert after == before


def test_moved_repository_changes_the_link_and_the_cell(root: Path):
    stamp(root)
    (root / "_config.yml").write_text(CONFIG.replace("ada/heads", "grace/heads.com"))
    first = stamp(root).cells[0].source
    assert first.count("Open in Colab") == 1
    assert "/github/grace/heads.com/blob/trunk/notebooks/toy.ipynb)" in first


@pytest.mark.parametrize("damage", ["edited", "tagless", "moved", "badge", "no link"])
def test_what_is_out_of_step_is_put_right(damage: str, root: Path):
    right = stamp(root)
    wrong = nbformat.from_dict(right)
    setup = code_cells(wrong)[0]
    match damage:
        case "edited":
            setup.source += "\nimport torch"
        case "tagless":
            setup.metadata = {}
        case "moved":
            wrong.cells.append(wrong.cells.pop(wrong.cells.index(setup)))
        case "badge":
            picture = LINK.replace("[Open in Colab]", "[![Open in Colab](badge.svg)]")
            wrong.cells[0].source = wrong.cells[0].source.replace(LINK, picture)
        case _:
            wrong.cells[0].source = wrong.cells[0].source.replace(LINK, "")
    write(notebook(root), wrong)
    assert set_up.set_up(root, [notebook(root)], check=True) == [notebook(root)]
    assert stamp(root) == right


# --- The command.


def test_check_names_what_is_out_of_step_and_writes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = notebook(root).read_bytes()
    assert run(monkeypatch, root, "--check") == 1
    said = capsys.readouterr()
    assert said.out == "notebooks/toy.ipynb: out of step\n"
    assert "Run python tools/set_up.py" in said.err
    assert notebook(root).read_bytes() == before
    assert run(monkeypatch, root) == 0
    assert run(monkeypatch, root, "--check") == 0
    assert capsys.readouterr().out == "notebooks/toy.ipynb: set up\n"


def test_notebook_in_step_is_not_written(root: Path):
    stamp(root)
    before = notebook(root).stat()
    stamp(root)
    assert notebook(root).stat().st_mtime_ns == before.st_mtime_ns
    # Nothing else lies there: the notebook was replaced whole.
    assert [path.name for path in notebook(root).parent.iterdir()] == ["toy.ipynb"]


def outdated(cells: NotebookNode) -> None:
    cells.nbformat_minor = 4


def headless(cells: NotebookNode) -> None:
    del cells.cells[0]


def codeless(cells: NotebookNode) -> None:
    del cells.cells[1:]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (outdated, "must be in format 4.5 or newer, where cells have an id, got 4.4"),
        (headless, "toy.ipynb must begin with a Markdown cell and hold code"),
        (codeless, "toy.ipynb must begin with a Markdown cell and hold code"),
    ],
)
def test_notebook_of_another_kind_is_refused(
    edit: Any,
    said: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    cells = load(root)
    edit(cells)
    for cell in cells.cells if edit is outdated else []:
        del cell["id"]
    write(notebook(root), cells)
    before = notebook(root).read_bytes()
    assert run(monkeypatch, root) == 1
    assert said in capsys.readouterr().err
    assert notebook(root).read_bytes() == before


def test_repository_must_be_on_github(root: Path):
    (root / "_config.yml").write_text(CONFIG.replace("github.com", "example.org"))
    said = r"https://github.com/OWNER/REPOSITORY, got 'https://example.org/ada/heads'"
    with pytest.raises(NotebookError, match=said):
        stamp(root)


@pytest.mark.parametrize(
    "text",
    [INIT.replace("1.2.3", "1.2rc1"), INIT.replace("projection ", "")],
    ids=["rc", "words"],
)
def test_library_must_be_known_by_its_words_and_a_release(text: str, root: Path):
    (root / "src" / "geomlib" / "__init__.py").write_text(text)
    with pytest.raises(NotebookError, match=r"__version__ = .* 'projection heads'"):
        stamp(root)


# --- What the cell does, where everything but geomlib is there; tests/test_colab.py
# --- runs it where less is.


def run_cell(tmp_path: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    """The book's own cell, in a fresh Python that looks into ``folders`` first."""
    cell = tmp_path / "cell.py"
    cell.write_text(set_up.cell_source(ROOT) + "\nprint(found)\n")
    path = ":".join(map(str, folders))
    return subprocess.run(
        [sys.executable, cell],
        env={"PYTHONPATH": path, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def package(folder: Path, text: str) -> Path:
    """Path of the __init__.py of a package named geomlib."""
    (folder / "geomlib").mkdir(parents=True)
    (folder / "geomlib" / "__init__.py").write_text(text)
    return folder / "geomlib" / "__init__.py"


def test_cell_is_silent_where_geomlib_is(tmp_path: Path):
    done = run_cell(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"{geomlib.__version__}\n",
        "",
    )


def test_cell_stops_at_another_geomlib_before_it_runs(tmp_path: Path):
    # PyPI's package of this name, or a reader's own folder.
    other = package(tmp_path / "other", 'print("ran")\n__version__ = "9.9.9"\n')
    done = run_cell(tmp_path, tmp_path / "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"ImportError: another package's geomlib is in {other}. " in done.stderr
    assert "pip uninstall -y geomlib" in done.stderr


def test_cell_refuses_an_older_library_and_names_both(tmp_path: Path):
    older = INIT.replace("1.2.3", "0.0.9")
    package(tmp_path / "older", older)
    done = run_cell(tmp_path, tmp_path / "older")
    assert done.returncode == 1
    said = f"ImportError: geomlib must be >= {geomlib.__version__}, got 0.0.9. "
    assert said in done.stderr


def test_cell_accepts_a_newer_library(tmp_path: Path):
    package(tmp_path / "newer", INIT.replace("1.2.3", "10.0.0"))
    assert run_cell(tmp_path, tmp_path / "newer").stdout == "10.0.0\n"


def test_folder_that_is_no_package_gives_way(tmp_path: Path):
    # A clone of the repository beside the notebook, for example.
    (tmp_path / "beside" / "geomlib").mkdir(parents=True)
    assert run_cell(tmp_path, tmp_path / "beside").returncode == 0


@pytest.mark.parametrize(
    ("absent", "source", "installed"),
    [
        (["geomlib"], None, ["git+https://github.com/ada/heads@v1.2.3"]),
        (["geomlib"], "own.whl", ["own.whl"]),
        (["jaxtyping"], "own.whl", ["jaxtyping"]),
        (["geomlib", "wadler_lindig"], "own.whl", ["wadler_lindig", "own.whl"]),
        ([], "own.whl", None),
    ],
)
def test_cell_installs_what_is_missing_and_nothing_else(
    absent: list[str],
    source: str | None,
    installed: list[str] | None,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    commands: list[list[str]] = []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in absent else find(name)
    )
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    monkeypatch.setattr(geomlib, "__version__", "1.2.3")
    monkeypatch.delenv("GEOMLIB_SOURCE", raising=False)
    if source:
        monkeypatch.setenv("GEOMLIB_SOURCE", source)
    exec(set_up.cell_source(root), {})
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps"]
    assert commands == ([] if installed is None else [[*pip, *installed]])
