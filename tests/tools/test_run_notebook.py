"""A notebook's cells run with plain Python, one namespace, parameters replaced."""

import subprocess
import sys
from pathlib import Path

import pytest
import run_notebook
from nbformat.v4 import new_code_cell
from toy_notebooks import CHOOSE, SEEDS, toy, write


def given(*arguments: str) -> dict[str, object]:
    return run_notebook.given_parameters(list(arguments))


def test_program_runs_a_notebook_at_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MPLBACKEND", "svg")
    drawing = "import matplotlib\n\nmatplotlib.get_backend()"
    path = write(tmp_path / "toy.ipynb", toy("apples = 4", drawing, "(apples, size)"))
    done = subprocess.run(
        [sys.executable, run_notebook.__file__, str(path), "size=smoke"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.lower() == "agg\n(4, 'smoke')\n"
    assert done.stderr == ""


def test_program_without_a_notebook_says_how_to_call_it():
    done = subprocess.run(
        [sys.executable, run_notebook.__file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "python tools/run_notebook.py notebooks/" in done.stderr


def test_parameters_reach_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GEOMLIB_RESULTS", str(tmp_path / "results"))
    path = write(tmp_path / "toy.ipynb", toy(CHOOSE, "run.seeds"))
    run_notebook.run(path, given("size=cpu", "seeds=[7, 8]"))
    assert capsys.readouterr().out == "(7, 8)\n"


def test_defaults_stay_where_nothing_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "toy.ipynb", toy("size", "seeds", "overrides"))
    run_notebook.run(path, given("size=gpu"))
    assert capsys.readouterr().out == f"gpu\n{SEEDS}\n{{}}\n"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("size=gpu", "gpu"),
        ("seeds=[7, 8]", [7, 8]),
        ("overrides={'steps': 3}", {"steps": 3}),
        ("size=", ""),
        ("size=a=b", "a=b"),
        ("rate=1e-3", 1e-3),
    ],
)
def test_values_are_literals_or_else_words(argument: str, value: object):
    assert list(given(argument).values()) == [value]


def test_argument_without_a_value_is_refused():
    with pytest.raises(SystemExit, match="parameters must read name=value, got 'smoke'"):
        given("smoke")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("2 + 2", "4\n"),
        ("n = 4", ""),
        ("n = 4\nn\nn + 1", "5\n"),
        ("None", ""),
        ("# nothing", ""),
        ("for n in range(2):\n    n", ""),
        ("def double(n):\n    return 2 * n\n\n\ndouble(2)", "4\n"),
    ],
)
def test_last_expression_of_a_cell_is_printed(
    source: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_notebook.run(write(tmp_path / "toy.ipynb", toy(source)), {})
    assert capsys.readouterr().out == shown


def test_cells_share_one_namespace(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    cells = toy("def double(n):\n    return 2 * n", "double(2)", "__name__")
    run_notebook.run(write(tmp_path / "toy.ipynb", cells), {})
    assert capsys.readouterr().out == "4\n__main__\n"


@pytest.mark.parametrize("magic", ["%matplotlib inline", "!ls", "x = 1\n  %time x"])
def test_magic_is_refused_before_anything_runs(
    magic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "toy.ipynb", toy("print('ran')", magic))
    said = r"toy\.ipynb, code cell 3: only plain Python runs here, got '[%!]"
    with pytest.raises(SystemExit, match=said):
        run_notebook.run(path, {})
    assert capsys.readouterr().out == ""


# A name of another cell is no parameter: setting it would be forgotten or do harm.
@pytest.mark.parametrize("name", ["sede", "math", "__name__", "later"])
def test_unknown_parameter_is_refused_before_anything_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cells = toy("later = 1")
    cells.cells.insert(1, new_code_cell("import math\n\nprint('ran')"))
    path = write(tmp_path / "toy.ipynb", cells)
    said = rf"that toy\.ipynb has \(size, seeds, overrides\), got {name}"
    with pytest.raises(SystemExit, match=said):
        run_notebook.run(path, {name: 3})
    assert capsys.readouterr().out == ""


def test_notebook_without_parameters_takes_none(tmp_path: Path):
    cells = toy("2 + 2")
    del cells.cells[1]
    path = write(tmp_path / "toy.ipynb", cells)
    with pytest.raises(SystemExit, match=r"has \(\), got size"):
        run_notebook.run(path, {"size": "smoke"})


def test_missing_notebook_is_named(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"must be an existing file, got .*none\.ipynb"):
        run_notebook.run(tmp_path / "none.ipynb", {})


@pytest.mark.parametrize("source", ["1 / 0", "value = 1 / 0", "def half("])
def test_error_names_the_cell(source: str, tmp_path: Path):
    path = write(tmp_path / "toy.ipynb", toy("apples = 4", source, "print('ran')"))
    with pytest.raises((ZeroDivisionError, SyntaxError)) as failure:
        run_notebook.run(path, {})
    assert failure.value.__notes__ == ["in toy.ipynb, code cell 3"]
