"""A notebook alone runs where only Colab's packages are, and changes none of them.

Colab is simulated by a fresh virtual environment that sees a folder of links to those
packages of our own environment which Colab has too, and nothing else of it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import set_up
from build_book import chapters
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from notebook import code_cells, printed_lines, tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Preinstalled on Colab (August 2026), as far as notebooks like ours use them. What these
# need is there too; what is named nowhere, a notebook must not count on.
COLAB = [
    "ipykernel",
    "matplotlib",
    "numpy",
    "packaging",
    "pandas",
    "pillow",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "seaborn",
    "torch",
    "torchvision",
    "tqdm",
]
ABSENT = {"beartype", "jaxtyping", "nbval", "papermill", "projection-geometry"}
OURS = ["projection-geometry", *map(canonicalize_name, set_up.MISSING_ON_COLAB)]
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


def build(source: Path, folder: Path) -> None:
    """Put the wheel of a project into a folder. Its own folder gets files, too."""
    options = ["-qq", "--no-deps", "--no-build-isolation", "-w", folder]
    subprocess.run([*PIP, "wheel", *options, source], check=True)


class Colab:
    """A machine with Colab's packages: its Python, theirs, and what else is installed."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder / "own"], check=True)
        self.python = folder / "own" / "bin" / "python"
        self.installed = next((folder / "own" / "lib").glob("python*/site-packages"))
        self.preinstalled = folder / "preinstalled"
        self.preinstalled.mkdir()
        for path in {path for name in needed(COLAB) for path in top_level(name)}:
            (self.preinstalled / path.name).symlink_to(path)
        (self.installed / "colab.pth").write_text(f"{self.preinstalled}\n")
        self.kernels = folder / "jupyter"
        kernel = self.kernels / "kernels" / "colab" / "kernel.json"
        kernel.parent.mkdir(parents=True)
        start = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel.write_text(json.dumps({"argv": start, "display_name": "", "language": ""}))

    def pip(self, *arguments: object) -> None:
        """Pip as a reader calls it."""
        subprocess.run([self.python, "-m", "pip", *map(str, arguments)], check=True)

    def run(self, notebook: NotebookNode, folder: Path) -> NotebookNode:
        """Notebook after a run at the smoke size, in a folder of its own."""
        done = nbformat.from_dict(notebook)
        for cell in code_cells(done):
            if "parameters" in tags(cell):
                cell.source = cell.source.replace('"auto"', '"smoke"')
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(done, kernel_name="colab", resources=resources).execute()
        return done


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what Colab would fetch: the library's wheel and the missing packages'."""
    folder = tmp_path_factory.mktemp("wheels")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    leave = shutil.ignore_patterns("*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=leave)
    build(source, folder)
    fetch = [*PIP, "download", "-qq", "--no-deps", "-d", folder, *set_up.MISSING_ON_COLAB]
    done = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"PyPI cannot be reached: {done.stderr.splitlines()[-1]}"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    return Colab(tmp_path_factory.mktemp("colab"))


@pytest.fixture
def colab(machine: Colab, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Colab:
    """The machine as it is handed out: nothing of ours on it, nor in its environment."""
    for name in [name for name in os.environ if name.startswith(("GEOMLIB_", "PYTHON"))]:
        monkeypatch.delenv(name)
    if list(machine.installed.glob("projection_geometry-*")):
        machine.pip("uninstall", "-qq", "-y", "geomlib", *OURS)
    monkeypatch.setenv("JUPYTER_PATH", str(machine.kernels))
    (library,) = wheels.glob("projection_geometry-*.whl")
    monkeypatch.setenv("GEOMLIB_SOURCE", str(library))
    # Threads that wait for a busy core make it six times as slow.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Whatever else the cell asks for is not to be had.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return machine


def set_up_alone() -> NotebookNode:
    """The first chapter as far as its set-up cell, and a cell that marks its end."""
    notebook = nbformat.read(chapters(ROOT)[0], as_version=4)
    notebook.cells = [code_cells(notebook)[0], new_code_cell("print('ran')")]
    return notebook


def test_colab_is_no_copy_of_our_environment():
    there = needed(COLAB)
    assert there.isdisjoint({*ABSENT, *OURS})
    # A folder that two distributions share must not smuggle one of them in.
    hidden = {d.name for d in metadata.distributions()} - {*there, "pip"}
    hidden = {canonicalize_name(name) for name in hidden} - there
    shared = {path for name in there for path in top_level(name)}
    assert {name for name in hidden if top_level(name) & shared} == set()


def test_set_up_cell_adds_what_the_library_needs_and_colab_lacks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = needed(project["project"]["dependencies"])
    assert sorted(wanted - needed(COLAB)) == sorted(OURS[1:])


@pytest.mark.slow
def test_notebook_alone_runs_to_its_end(colab: Colab, tmp_path: Path):
    path = Path(shutil.copy(chapters(ROOT)[0], tmp_path))
    before = distributions(colab.installed), distributions(colab.preinstalled)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell("import geomlib\n\nprint(geomlib.__file__)"))
    done = colab.run(notebook, tmp_path)
    assert printed_lines(done)[-1] == str(colab.installed / "geomlib" / "__init__.py")
    assert code_cells(done)[0].outputs == []
    after = distributions(colab.installed), distributions(colab.preinstalled)
    assert after[1] == before[1]
    assert before[0].items() <= after[0].items()
    new = {name.partition("-")[0] for name in after[0].keys() - before[0].keys()}
    assert {canonicalize_name(name) for name in new} == set(OURS)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, "geomlib-results"}


@pytest.mark.slow
def test_other_geomlib_in_the_way_is_named_with_its_cure(colab: Colab, tmp_path: Path):
    # An install of the package of this name writes over ours.
    other = tmp_path / "other"
    (other / "geomlib").mkdir(parents=True)
    (other / "geomlib" / "__init__.py").write_text("raise SystemExit('I ran')")
    (other / "pyproject.toml").write_text('[project]\nname = "geomlib"\nversion = "9"\n')
    colab.pip("install", "-qq", "--no-deps", os.environ["GEOMLIB_SOURCE"])
    build(other, tmp_path)
    colab.pip("install", "-qq", *tmp_path.glob("geomlib-*.whl"))
    before = distributions(colab.installed)
    with pytest.raises(CellExecutionError) as stopped:
        colab.run(set_up_alone(), tmp_path)
    said = stopped.value.evalue
    place = colab.installed / "geomlib" / "__init__.py"
    assert stopped.value.ename == "ImportError"
    assert f"another package's geomlib is in {place}" in said
    assert "ran" not in said
    assert distributions(colab.installed) == before
    # The cure, as the message words it.
    assert "(pip uninstall -y geomlib projection-geometry)" in said
    colab.pip("uninstall", "-qq", "-y", "geomlib", "projection-geometry")
    assert printed_lines(colab.run(set_up_alone(), tmp_path)) == ["ran"]
