"""Run one notebook through papermill, in its own process and an empty folder.

The executed notebook appears under its name only when every cell has run.
"""

import argparse
import os
import re
import shutil
import sys
import time
import warnings
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from notebook import (
    NotebookError,
    check_parameters,
    interactive,
    read,
    tags,
    with_outputs,
)

# As in geomlib.sizes, which imports torch: seconds for four words.
SIZES = ("auto", "smoke", "cpu", "gpu")


def execute(path: Path, build: Path, given: dict[str, object]) -> Path:
    """Path of the executed notebook, under ``build/executed/<size>``."""
    # Papermill is slow to import, and a wrong parameter needs no papermill.
    source = read(path)
    check_parameters(source, path.name, given)
    size = given.get("size", "auto")
    # It names folders that are emptied below.
    if size not in SIZES:
        raise NotebookError(f"size must be one of {', '.join(SIZES)}, got {size!r}.")
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    work = (build / "work" / size / path.stem).resolve()
    target = build / "executed" / size / path.name
    target.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    empty = work / "run"
    empty.mkdir(parents=True)
    os.environ["GEOMLIB_RESULTS"] = str((build / "results").resolve())
    os.environ.setdefault("GEOMLIB_CACHE", str((build / "cache").resolve()))
    beside = build / "results" / str(size) / "artefacts"
    os.environ["GEOMLIB_ARTEFACTS"] = str(beside.resolve())
    # An earlier run's data must not stand for data that this one fails to write.
    for name in interactive(source):
        (beside / f"{name}.json").unlink(missing_ok=True)
    try:
        executed = papermill.execute_notebook(
            path,
            work / "executed.ipynb",
            parameters=given,
            cwd=empty,
            kernel_name="python3",
            progress_bar=False,
            # Sockets in files of the user's alone, not on a port that others can read;
            # beside the empty folder, and relative because such a path must be short.
            config=Config({"KernelManager": {"transport": "ipc", "ip": "../socket"}}),
        )
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{path.name}, code cell {_number(source, error.cell_index)}: "
            f"{error.ename}: {error.evalue}\n"
            + "\n".join(f"    {line}" for line in error.source.splitlines())
        ) from None
    # Papermill takes sys.exit() for success, and leaves the cells after it undone.
    if any(
        output.output_type == "error"
        for cell in executed.cells
        for output in cell.get("outputs", [])
    ):
        raise NotebookError(f"{path.name} must run to its last cell, got sys.exit().")
    target.parent.mkdir(parents=True, exist_ok=True)
    finished = work / "finished.ipynb"
    nbformat.write(with_outputs(source, executed), finished)
    finished.replace(target)
    shutil.rmtree(work)
    return target


def _number(source: NotebookNode, index: int) -> int:
    """Which code cell of the source ran at ``index``: papermill injects one of its own."""
    injected = any("parameters" in tags(cell) for cell in source.cells[:index])
    until = source.cells[: index + 1 - injected]
    return sum(cell.cell_type == "code" for cell in until)


def _loaded(text: str) -> object:
    """Value of a YAML text, or None where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def main() -> int:
    """Exit status: 0 when the notebook ran, 1 with the reason when it did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--size", default="cpu", help="smoke, cpu, gpu or auto")
    parser.add_argument(
        "-y", "--yaml", default="{}", help='more parameters: "{seeds: [7, 8]}"'
    )
    arguments = parser.parse_args()
    # Papermill's own start-up warnings are not the reader's business.
    warnings.filterwarnings("ignore", module="papermill|zmq|traitlets")
    start = time.monotonic()
    try:
        more = _loaded(arguments.yaml)
        if not isinstance(more, dict):
            raise NotebookError(f"--yaml must be a mapping, got {arguments.yaml!r}.")
        execute(arguments.notebook, arguments.build, {"size": arguments.size, **more})
    except NotebookError as error:
        print(re.sub(r"\x1b\[[0-9;]*m", "", str(error)), file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    print(f"{arguments.notebook.stem:32} {arguments.size:5} {seconds:6.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
