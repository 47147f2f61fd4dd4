"""What a worker does: one run of a notebook, in a process and a folder of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from geomlib.claims import Record
from geomlib.sweep.plan import Task


class RunError(Exception):
    """A run of a sweep failed; the message says which, and its last words."""


def carried_out(code: str, task: Task) -> list[Record]:
    """Records of one run.

    The run is a process of its own, so that it starts as a reader's does, and it ends
    with the worker: a worker that is killed leaves none behind.

    Args:
        code: The notebook, as ``plan.code_of`` gives it.
        task: The run.

    Raises:
        RunError: If the notebook fails or judges no claim.
    """
    inherited = os.environ.copy()
    # Dask has its workers give memory back at once; a run would take a quarter longer.
    inherited.pop("MALLOC_TRIM_THRESHOLD_", None)
    with tempfile.TemporaryDirectory(prefix="geomlib-sweep-") as name:
        folder = Path(name)
        notebook = folder / f"{task.chapter}.ipynb"
        notebook.write_text(code, encoding="utf-8")
        (folder / "run").mkdir()
        (folder / "said").touch()
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "geomlib.sweep.child", str(notebook)),
                    *(f"size={task.size}", f"seeds=[{task.seed}]"),
                    f"overrides={dict(task.overrides)!r}",
                ],
                cwd=folder / "run",
                env={
                    **inherited,
                    "GEOMLIB_RESULTS": str(folder / "results"),
                    "GEOMLIB_ARTEFACTS": str(folder / "artefacts"),
                    "GEOMLIB_QUIET": "1",
                    "MPLBACKEND": "Agg",
                },
                stdin=subprocess.PIPE,  # closes when the worker dies
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            with process:
                code_of_exit = process.wait()
        if code_of_exit:
            words = (folder / "said").read_text(errors="replace").strip().splitlines()
            raise RunError(f"{described(task)} failed: {' | '.join(words[-3:])}")
        paths = sorted((folder / "results" / task.size).glob("*.json"))
        if not paths:
            raise RunError(f"{described(task)} judged no claim.")
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def described(task: Task) -> str:
    """A run in words.

    >>> described(Task("demo", "cpu", 7, {"width": 8}, "0"))
    'demo, cpu, seed 7, width=8'
    """
    changed = (f"{name}={value}" for name, value in task.overrides.items())
    return ", ".join([task.chapter, task.size, f"seed {task.seed}", *changed])
