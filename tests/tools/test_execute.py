"""A notebook runs whole, in an empty folder, or leaves no executed notebook."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import execute
import nbformat
import pytest
from nbformat.v4 import new_output
from notebook import NotebookError, code_cells, printed_lines, tags, with_outputs
from toy_notebooks import CHOOSE, executed, toy, write

from geomlib import sizes

TOOL = Path(execute.__file__)
READ_IMAGES = 'from geomlib.data.cifar10 import cifar10\n\ncifar10("train")'
# What the kernel's own packages warn of is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places that the tool sets or the notebook reads, put back after each test."""
    monkeypatch.setenv("GEOMLIB_RESULTS", "")
    monkeypatch.setenv("GEOMLIB_ARTEFACTS", "")
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GEOMLIB_DATA", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, path: Path, *arguments: str) -> int:
    build = path.parent / "build"
    line = [TOOL.name, str(path), "--build", str(build), *arguments]
    monkeypatch.setattr(sys, "argv", line)
    return execute.main()


def left_over(path: Path) -> list[Path]:
    """Files under build/executed."""
    folder = path.parent / "build" / "executed"
    return [found for found in folder.rglob("*") if found.is_file()]


def no_kernel(*arguments: object, **options: object) -> None:
    raise AssertionError("the notebook must not be started")


def test_notebook_runs_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    notebook = toy(
        "import os\nimport sys\n\nprint(os.listdir(), size, seeds)",
        'print(os.environ["GEOMLIB_RESULTS"])\nprint(os.environ["GEOMLIB_ARTEFACTS"])\n'
        'print("noise", file=sys.stderr)\n2 + 2',
    )
    path = write(tmp_path / "toy.ipynb", notebook)
    before = path.read_bytes()
    assert run(monkeypatch, path, "--size", "smoke", "-y", "seeds: [7, 8]") == 0
    assert capsys.readouterr().out.split()[:2] == ["toy", "smoke"]
    assert path.read_bytes() == before
    assert left_over(path) == [tmp_path / "build" / "executed" / "smoke" / "toy.ipynb"]
    done = nbformat.read(left_over(path)[0], as_version=4)
    nbformat.validate(done)
    assert [cell.source for cell in done.cells] == [cell.source for cell in notebook.cells]
    assert [cell.execution_count for cell in code_cells(done)] == [1, 2, 3]
    assert not any("injected-parameters" in tags(cell) for cell in done.cells)
    results = str((tmp_path / "build" / "results").resolve())
    artefacts = str((tmp_path / "build" / "results" / "smoke" / "artefacts").resolve())
    assert printed_lines(done) == ["[] smoke [7, 8]", results, artefacts]
    *_, value = code_cells(done)[-1].outputs
    assert (value.data["text/plain"], value.execution_count) == ("4", 3)
    # The error output is left out, and so is whatever tells when it ran.
    assert "noise\n" not in [output.get("text") for output in code_cells(done)[-1].outputs]
    assert all("execution" not in cell.metadata for cell in done.cells)
    assert "papermill" not in done.metadata
    assert not (tmp_path / "build" / "work" / "smoke" / "toy").exists()


def test_failing_notebook_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "toy.ipynb", toy("apples = 4", "apples / 0", "print(1)"))
    before = path.read_bytes()
    older = write(tmp_path / "build" / "executed" / "smoke" / "toy.ipynb", toy())
    assert run(monkeypatch, path, "--size", "smoke") == 1
    # The number that the reader counts: papermill's own cell is not in the notebook.
    said = "toy.ipynb, code cell 3: ZeroDivisionError: division by zero\n    apples / 0\n"
    assert capsys.readouterr().err == said
    assert not older.exists()
    assert left_over(path) == []
    assert path.read_bytes() == before


def test_seeds_given_as_a_string_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "toy.ipynb", toy(CHOOSE))
    assert run(monkeypatch, path, "--size", "smoke", "-y", 'seeds: "[7, 8]"') == 1
    said = capsys.readouterr().err
    assert "toy.ipynb, code cell 2: ValueError: seeds must be a list of distinct" in said
    assert "got '[7, 8]'" in said
    assert left_over(path) == []


def test_data_folder_that_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GEOMLIB_DATA", str(tmp_path / "nowhere"))
    path = write(tmp_path / "toy.ipynb", toy(READ_IMAGES))
    assert run(monkeypatch, path, "--size", "gpu") == 1
    said = capsys.readouterr().err
    assert "FileNotFoundError: GEOMLIB_DATA must name an existing folder" in said
    assert str(tmp_path / "nowhere") in said
    assert left_over(path) == []


def test_no_data_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, closed)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    path = write(tmp_path / "toy.ipynb", toy(READ_IMAGES))
    assert run(monkeypatch, path, "--size", "gpu") == 1
    said = capsys.readouterr().err
    assert "code cell 2: FileNotFoundError: CIFAR-10 must be in the folder" in said
    assert "train/<class>/*.png" in said
    assert "cifar-10-python.tar.gz" in said
    assert str(tmp_path / "cache") in said
    assert left_over(path) == []


def test_killed_run_leaves_nothing_and_can_be_repeated(tmp_path: Path):
    marker = tmp_path / "kernel"
    slow = (
        "import os\nimport time\nfrom pathlib import Path\n\n"
        f"marker = Path({str(marker)!r})\n"
        "again = marker.exists()\n"
        "_ = marker.write_text(str(os.getpid()))\n"
        "time.sleep(0 if again else 100)"
    )
    path = write(tmp_path / "toy.ipynb", toy(slow, "print(again)"))
    command = [sys.executable, str(TOOL), str(path), "--build", str(tmp_path / "build")]
    started = subprocess.Popen(command)
    until = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    started.kill()
    assert started.wait() == -signal.SIGKILL
    assert left_over(path) == []
    # The kernel ends by itself when it notices, which takes it a second or so.
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(marker.read_text()), signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert left_over(path) == [tmp_path / "build" / "executed" / "cpu" / "toy.ipynb"]
    done = nbformat.read(left_over(path)[0], as_version=4)
    nbformat.validate(done)
    assert printed_lines(done) == ["True"]


def test_notebook_that_exits_early_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Papermill returns such a notebook without a word, its last cells undone.
    source = toy("import sys\n\nsys.exit()", "print(1)")
    stopped = executed(source, "", "")
    error = new_output("error", ename="SystemExit", evalue="", traceback=[])
    code_cells(stopped)[1].outputs = [error]
    monkeypatch.setattr("papermill.execute_notebook", lambda *a, **k: stopped)
    path = write(tmp_path / "toy.ipynb", source)
    with pytest.raises(NotebookError, match=r"toy\.ipynb must run to its last cell"):
        execute.execute(path, tmp_path / "build", {"size": "smoke"})
    assert left_over(path) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"sede": [7]},
            r"must be ones that toy\.ipynb has \(size, seeds, overrides\), got",
        ),
        ({"size": "huge"}, "size must be one of auto, smoke, cpu, gpu, got 'huge'"),
        # As a folder, it would lead to the notebooks themselves.
        ({"size": "../../notebooks"}, "size must be one of"),
        ({"size": 3}, "size must be one of auto, smoke, cpu, gpu, got 3"),
    ],
)
def test_wrong_parameter_is_refused_before_anything_runs(
    given: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("papermill.execute_notebook", no_kernel)
    path = write(tmp_path / "notebooks" / "toy.ipynb", toy())
    with pytest.raises(NotebookError, match=said):
        execute.execute(path, tmp_path / "build", given)
    assert path.exists()
    assert not (tmp_path / "build").exists()


def test_missing_notebook_is_named(tmp_path: Path):
    with pytest.raises(NotebookError, match=r"existing file, got .*none\.ipynb"):
        execute.execute(tmp_path / "none.ipynb", tmp_path / "build", {})


def test_parameters_must_be_a_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "toy.ipynb", toy())
    assert run(monkeypatch, path, "-y", "[7, 8]") == 1
    assert capsys.readouterr().err == "--yaml must be a mapping, got '[7, 8]'.\n"


def test_outputs_are_put_into_a_copy():
    source = toy("print(4)")
    with_outputs(source, executed(source, "4\n"))
    assert [cell.outputs for cell in code_cells(source)] == [[], []]


def test_printed_text_is_one_output_however_it_arrived():
    source = toy("print(4)")
    whole, pieces = executed(source, "4\n5\n6\n"), executed(source, "4\n5")
    (printed,) = code_cells(pieces)[-1].outputs
    warned = nbformat.from_dict(printed | {"name": "stderr", "text": "beware"})
    rest = nbformat.from_dict(printed | {"text": "\n6\n"})
    figure = new_output("display_data", {"text/plain": "a figure"})
    code_cells(pieces)[-1].outputs = [printed, warned, rest, figure, rest]
    code_cells(whole)[-1].outputs += [figure, rest]
    assert with_outputs(source, pieces) == with_outputs(source, whole)
    assert printed_lines(with_outputs(source, pieces)) == ["4", "5", "6", "", "6"]


def test_sizes_are_the_library_s():
    assert ("auto", *sizes.SIZES) == execute.SIZES
