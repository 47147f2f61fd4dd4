"""Run every notebook as Colab would: at smoke size, on Colab's packages alone.

    python tools/colab.py --torch oldest --python python3.11 notebooks/*.ipynb

A virtual environment under build/colab holds what Colab preinstalls and nothing else.
Each notebook starts in an empty folder without geomlib; its own set-up cell installs the
one of this working tree.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from notebook import NotebookError, code_cells, read, tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from set_up import MISSING_ON_COLAB
from traitlets.config import Config

# Preinstalled on Colab (August 2026), as far as notebooks like ours use them. What these
# need is there too; what is named nowhere, a notebook must not count on.
PREINSTALLED = (
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
)
# What the set-up cell adds.
ADDED = ("projection-geometry", *map(canonicalize_name, MISSING_ON_COLAB))
SOURCES = ("pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Machine:
    """A virtual environment that stands for Colab's, and a kernel that runs in it."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, python: str) -> "Machine":
        """An empty environment of that Python; one that is there is kept if it fits."""
        machine = cls(folder.resolve())
        ask = "import sys; print(sys.version)"
        wanted = _output(python, "-c", ask)
        try:
            # Without pip: an environment whose making was stopped half-way.
            known = _output(machine.python, "-c", f"import pip; {ask}")
        except (FileNotFoundError, subprocess.CalledProcessError):
            known = ""
        if known != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([python, "-m", "venv", machine.folder / "own"], check=True)
        start = [str(machine.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = machine.kernels / "kernels" / "colab" / "kernel.json"
        kernel.parent.mkdir(parents=True, exist_ok=True)
        kernel.write_text(json.dumps({"argv": start, "display_name": "", "language": ""}))
        return machine

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "own" / "bin" / "python"

    @property
    def installed(self) -> Path:
        """Its site-packages."""
        return next((self.folder / "own" / "lib").glob("python*/site-packages"))

    @property
    def kernels(self) -> Path:
        """Value of ``JUPYTER_PATH`` with which :meth:`run` finds the kernel."""
        return self.folder / "jupyter"

    def pip(self, *arguments: object) -> None:
        """Pip as a reader calls it."""
        subprocess.run([self.python, "-m", "pip", *map(str, arguments)], check=True)

    def forget(self) -> None:
        """Take away what a set-up cell added."""
        if list(self.installed.glob("projection_geometry-*")):
            self.pip("uninstall", "-qq", "-y", "geomlib", *ADDED)

    def run(self, notebook: NotebookNode, folder: Path) -> NotebookNode:
        """Notebook after a run at the smoke size, in a folder of its own."""
        done = nbformat.from_dict(notebook)
        for cell in code_cells(done):
            if "parameters" in tags(cell):
                cell.source = cell.source.replace('"auto"', '"smoke"')
        with tempfile.TemporaryDirectory() as sockets:
            # In files of the user's alone, not on a port that others can read.
            manager = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            NotebookClient(
                done,
                kernel_name="colab",
                resources={"metadata": {"path": str(folder)}},
                config=Config({"KernelManager": manager}),
            ).execute()
        return done


def _output(*command: object) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def requirements(root: Path, torch: str) -> list[str]:
    """What pip installs for Colab's list: the newest of each, or pyproject's bounds.

    Args:
        root: Folder of the sources.
        torch: ``oldest`` or ``newest``. With the oldest torch goes the oldest of every
            package that pyproject.toml gives a lower bound.
    """
    if torch == "newest":
        return list(PREINSTALLED)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *extras["book"]]
    bounds = {r.name: str(r.specifier) for r in map(Requirement, lines)}
    return [
        name + bounds[name].replace(">=", "==") if name in bounds else name
        for name in PREINSTALLED
    ]


def wheel(root: Path, folder: Path) -> Path:
    """The library's wheel, built from a copy: a build leaves files beside its source."""
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            shutil.copy(root / name, copy)
        leave = shutil.ignore_patterns("*.egg-info", "__pycache__")
        shutil.copytree(root / "src", Path(copy) / "src", ignore=leave)
        build(Path(copy), folder)
    return next(folder.glob("projection_geometry-*.whl")).resolve()


def build(source: Path, folder: Path) -> None:
    """Put the wheel of a project into a folder. Its own folder gets files, too."""
    options = ["-qq", "--no-deps", "--no-build-isolation", "-w", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, source], check=True)


@contextmanager
def environment(machine: Machine, library: Path, home: Path) -> Iterator[None]:
    """Environment variables as Colab has them: none of ours but the library's place."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("GEOMLIB_", "PYTHON")):
            del os.environ[name]
    os.environ["GEOMLIB_SOURCE"] = str(library)
    os.environ["JUPYTER_PATH"] = str(machine.kernels)
    # A cache of another run would hide what fails to be computed anew.
    os.environ["XDG_CACHE_HOME"] = str(home)
    # Else debugpy remarks on every kernel that Python's own modules are frozen.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    # Threads that wait for a busy core make it six times as slow.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def problem(machine: Machine, path: Path, folder: Path) -> str:
    """Why a notebook does not run on the machine; nothing where it does."""
    folder.mkdir()
    machine.forget()
    try:
        machine.run(read(path), folder)
    except CellExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        return "the kernel died; it may have run out of memory"
    return ""


def main() -> int:
    """Exit status: 0 when every notebook runs to its end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--torch", choices=("oldest", "newest"), default="newest")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--build", type=Path, default=Path("build"))
    arguments = parser.parse_args()
    place = arguments.build / "colab" / arguments.torch
    print(f"installing what Colab has into {place} (6 GB, a few minutes)", flush=True)
    machine = Machine.made(place, arguments.python)
    machine.forget()
    # Nothing is compiled: a version that is too old for the Python is refused instead.
    options = ["-q", "-U", "--only-binary=:all:"]
    machine.pip("install", *options, *requirements(Path(), arguments.torch))
    print(_output(machine.python, "--version"), *_versions(machine), sep=", ", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        empty = Path(temporary)
        library = wheel(Path(), empty)
        with environment(machine, library, empty / "cache"):
            for path in arguments.notebooks:
                start = time.monotonic()
                said = problem(machine, path, empty / path.stem)
                failed += bool(said)
                seconds = time.monotonic() - start
                print(f"{path.name}: {said or f'ran in {seconds:.0f} s'}", flush=True)
    return failed > 0


def _versions(machine: Machine) -> list[str]:
    """Name and version of each package of the list, as installed."""
    ask = "import sys; from importlib.metadata import version as v; "
    ask += "print('\\n'.join(f'{n} {v(n)}' for n in sys.argv[1:]))"
    return _output(machine.python, "-c", ask, *PREINSTALLED).splitlines()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NotebookError, FileNotFoundError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
