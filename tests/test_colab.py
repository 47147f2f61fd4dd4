"""A notebook alone runs where only Colab's packages are, and changes none of them.

Colab is simulated by a fresh virtual environment that sees a folder of links to those
packages of our own environment which Colab has too, and nothing else of it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import set_up
from build_book import chapters
from colab import (
    ADDED,
    PREINSTALLED,
    Machine,
    build,
    environment,
    problem,
    requirements,
    wheel,
)
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from notebook import code_cells, printed_lines
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ABSENT = {"beartype", "jaxtyping", "nbval", "papermill", "projection-geometry"}
PIP = [sys.executable, "-m", "pip"]
# What the kernel's own packages warn of is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def needed(lines: Iterable[str]) -> set[str]:
    """Distributions that these requirements lead to in our own environment."""
    found: set[tuple[str, str]] = set()
    waiting = list(map(Requirement, lines))
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        # Without an extra first; torch names its CUDA libraries by extras.
        for extra in {"", *requirement.extras} - {e for n, e in found if n == name}:
            found.add((name, extra))
            further = map(Requirement, metadata.requires(name) or [])
            waiting += [
                each
                for each in further
                if each.marker is None or each.marker.evaluate({"extra": extra})
            ]
    return {name for name, _ in found}


def top_level(name: str) -> set[Path]:
    """Folders and modules that a distribution has in site-packages."""
    parts = {path.parts[0] for path in metadata.files(name) or []}
    place = Path(str(metadata.distribution(name).locate_file("")))
    return {place / part for part in parts - {"..", "__pycache__"}}


def distributions(folder: Path) -> dict[str, str]:
    """Hash of the list of files, with their own hashes, of each distribution there."""
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.dist-info/RECORD"))
    }


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what Colab would fetch: the library's wheel and the missing packages'."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(ROOT, folder)
    fetch = [*PIP, "download", "-qq", "--no-deps", "-d", folder, *set_up.MISSING_ON_COLAB]
    done = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"PyPI cannot be reached: {done.stderr.splitlines()[-1]}"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    return folder


def preinstalled(machine: Machine) -> Path:
    """Folder of links to what our own environment and Colab both have."""
    return machine.folder / "preinstalled"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine.made(tmp_path_factory.mktemp("colab"), sys.executable)
    preinstalled(machine).mkdir()
    for path in {path for name in needed(PREINSTALLED) for path in top_level(name)}:
        (preinstalled(machine) / path.name).symlink_to(path)
    (machine.installed / "colab.pth").write_text(f"{preinstalled(machine)}\n")
    return machine


@pytest.fixture
def machine(
    whole: Machine, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """The machine as it is handed out: nothing of ours on it, nor in its environment."""
    (library,) = wheels.glob("projection_geometry-*.whl")
    whole.forget()
    # Whatever else the cell asks for is not to be had.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with environment(whole, library, whole.folder / "cache"):
        yield whole


def set_up_alone() -> NotebookNode:
    """The first chapter as far as its set-up cell, and a cell that marks its end."""
    notebook = nbformat.read(chapters(ROOT)[0], as_version=4)
    notebook.cells = [code_cells(notebook)[0], new_code_cell("print('ran')")]
    return notebook


def test_colab_is_no_copy_of_our_environment():
    there = needed(PREINSTALLED)
    assert there.isdisjoint({*ABSENT, *ADDED})
    # A folder that two distributions share must not smuggle one of them in.
    hidden = {d.name for d in metadata.distributions()} - {*there, "pip"}
    hidden = {canonicalize_name(name) for name in hidden} - there
    shared = {path for name in there for path in top_level(name)}
    assert {name for name in hidden if top_level(name) & shared} == set()


def test_set_up_cell_adds_what_the_library_needs_and_colab_lacks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = needed(project["project"]["dependencies"])
    assert sorted(wanted - needed(PREINSTALLED)) == sorted(ADDED[1:])


def test_oldest_versions_are_the_lower_bounds():
    assert requirements(ROOT, "newest") == list(PREINSTALLED)
    chosen = {Requirement(line).name: line for line in requirements(ROOT, "oldest")}
    assert list(chosen) == list(PREINSTALLED)
    # Written out from pyproject.toml: of the library, of an extra, and without a bound.
    assert chosen["torch"] == "torch==2.11"
    assert chosen["ipykernel"] == "ipykernel==6.29"
    assert chosen["packaging"] == "packaging"


@pytest.mark.slow
def test_notebook_that_asks_for_more_than_colab_has_is_told(
    machine: Machine, tmp_path: Path
):
    notebook = set_up_alone()
    notebook.cells[1] = new_code_cell("import jaxtyping\n\nimport papermill")
    path = tmp_path / "more.ipynb"
    nbformat.write(notebook, path)
    said = problem(machine, path, tmp_path / "empty")
    assert said == "ModuleNotFoundError: No module named 'papermill'"


@pytest.mark.slow
def test_machine_of_the_same_python_is_kept(machine: Machine):
    mark = machine.folder / "mark"
    mark.touch()
    assert Machine.made(machine.folder, sys.executable) == machine
    assert mark.exists()


@pytest.mark.slow
def test_notebook_alone_runs_to_its_end(machine: Machine, tmp_path: Path):
    path = Path(shutil.copy(chapters(ROOT)[0], tmp_path))
    before = distributions(machine.installed), distributions(preinstalled(machine))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell("import geomlib\n\nprint(geomlib.__file__)"))
    done = machine.run(notebook, tmp_path)
    assert printed_lines(done)[-1] == str(machine.installed / "geomlib" / "__init__.py")
    assert code_cells(done)[0].outputs == []
    after = distributions(machine.installed), distributions(preinstalled(machine))
    assert after[1] == before[1]
    assert before[0].items() <= after[0].items()
    new = {name.partition("-")[0] for name in after[0].keys() - before[0].keys()}
    assert {canonicalize_name(name) for name in new} == set(ADDED)
    written = {p.name for p in tmp_path.iterdir()} - {path.name}
    assert "geomlib-results" in written <= {"geomlib-results", "geomlib-artefacts"}


@pytest.mark.slow
def test_other_geomlib_in_the_way_is_named_with_its_cure(machine: Machine, tmp_path: Path):
    # An install of the package of this name writes over ours.
    other = tmp_path / "other"
    (other / "geomlib").mkdir(parents=True)
    (other / "geomlib" / "__init__.py").write_text("raise SystemExit('I ran')")
    (other / "pyproject.toml").write_text('[project]\nname = "geomlib"\nversion = "9"\n')
    machine.pip("install", "-qq", "--no-deps", os.environ["GEOMLIB_SOURCE"])
    build(other, tmp_path)
    machine.pip("install", "-qq", *tmp_path.glob("geomlib-*.whl"))
    before = distributions(machine.installed)
    with pytest.raises(CellExecutionError) as stopped:
        machine.run(set_up_alone(), tmp_path)
    said = stopped.value.evalue
    place = machine.installed / "geomlib" / "__init__.py"
    assert stopped.value.ename == "ImportError"
    assert f"another package's geomlib is in {place}" in said
    assert "ran" not in said
    assert distributions(machine.installed) == before
    # The cure, as the message words it.
    assert "(pip uninstall -y geomlib projection-geometry)" in said
    machine.pip("uninstall", "-qq", "-y", "geomlib", "projection-geometry")
    assert printed_lines(machine.run(set_up_alone(), tmp_path)) == ["ran"]
