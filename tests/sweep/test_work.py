"""One run in a process of its own: its records, its failures, its end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sweep_notebook import write_notebook

from geomlib.sweep import plan
from geomlib.sweep.work import RunError, carried_out


def of(tmp_path: Path, seed: int = 7, **settings: object) -> tuple[str, plan.Task]:
    path = write_notebook(tmp_path / "toy.ipynb")
    values = {name: [value] for name, value in settings.items()}
    (task,) = plan.planned(path, size="cpu", seeds=[seed], settings=values)
    return plan.code_of(path), task


def test_records_of_the_one_seed_with_its_settings(tmp_path: Path):
    (record,) = carried_out(*of(tmp_path, seed=12, width=30))
    assert (record["claim"], record["seeds"], record["values"]) == ("toy-sum", [12], [32.0])


def test_a_run_that_fails_says_which_and_why(tmp_path: Path):
    with pytest.raises(
        RunError, match=r"toy, cpu, seed 7, data=broken failed: .*no such data"
    ):
        carried_out(*of(tmp_path, data="broken"))
    with pytest.raises(RunError, match="data=silent judged no claim"):
        carried_out(*of(tmp_path, data="silent"))


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path: Path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    carried_out(*of(tmp_path))
    assert not list((tmp_path / "temporary").iterdir())


def test_a_run_does_not_take_over_how_dask_keeps_memory(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("SWEEP_TEST", "kept")
    mark = tmp_path / "mark"
    seen = "(os.environ.get('MALLOC_TRIM_THRESHOLD_'), os.environ['SWEEP_TEST'])"
    path = write_notebook(
        tmp_path / "toy.ipynb", extra=f"Path({str(mark)!r}).write_text(repr({seen}))"
    )
    (task,) = plan.planned(path, size="cpu", seeds=[7], settings={})
    carried_out(plan.code_of(path), task)
    assert mark.read_text() == "(None, 'kept')"


WORKER = """
import subprocess, sys
words = [sys.executable, "-m", "geomlib.sweep.child", sys.argv[1], "seeds=[7]"]
with subprocess.Popen(words, stdin=subprocess.PIPE) as child:
    child.wait()
"""


def test_the_child_ends_with_the_worker(tmp_path: Path):
    mark = tmp_path / "mark"
    extra = f"Path({str(mark)!r}).write_text(str(os.getpid()) + '.'); time.sleep(60)"
    path = write_notebook(tmp_path / "toy.ipynb", extra=extra)
    place = {**os.environ, "GEOMLIB_RESULTS": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", WORKER, str(path)], env=place) as worker:
        until(lambda: mark.is_file() and mark.read_text().endswith("."))
        worker.kill()
    child = Path("/proc", mark.read_text().rstrip("."), "stat")
    until(lambda: not child.exists() or ") Z " in child.read_text())  # gone, or reaped soon


def until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 50
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
