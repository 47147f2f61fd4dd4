"""Dask's own scheduler and workers, killed in the middle; nothing lost, nothing twice."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client
from sweep_notebook import write_notebook

from geomlib.sweep import cluster, plan
from geomlib.sweep.__main__ import main

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Dask's commands; what still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def started(command: str, *words: str) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", f"distributed.cli.dask_{command}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running.append(subprocess.Popen([*module, "--no-dashboard", *words], **quiet))
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.wait()


def scheduler(start: Start, tmp_path: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A scheduler that runs, and its address."""
    file = tmp_path / "scheduler.json"
    process = start("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}")
    until(lambda: file.is_file() and file.stat().st_size > 0)
    return process, json.loads(file.read_text())["address"]


def worker(start: Start, address: str) -> subprocess.Popen[bytes]:
    return start("worker", address, "--nthreads=1", "--no-nanny", "--host=127.0.0.1")


def until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finished(folder: Path) -> int:
    return len(list((folder / "runs").glob("*.json")))


@pytest.mark.slow
def test_a_killed_worker_loses_no_run_and_none_is_counted_twice(
    start: Start, tmp_path: Path
):
    notebook, folder = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "sweep"
    _, address = scheduler(start, tmp_path)
    lost = worker(start, address)
    worker(start, address)
    settings = {"nap": [0.5]}
    tasks = plan.planned(notebook, size="cpu", seeds=range(2000, 2008), settings=settings)

    def kill() -> None:
        until(lambda: finished(folder) >= 2)
        lost.send_signal(signal.SIGKILL)

    with Client(address) as client:
        client.wait_for_workers(2)
        killer = threading.Thread(target=kill)
        killer.start()
        failed = cluster.collect(client, plan.code_of(notebook), tasks, folder)
        killer.join()
        assert len(client.scheduler_info()["workers"]) == 1
    assert failed == []
    kept = [cluster.kept(folder, task) for task in tasks]
    assert [found[0]["seeds"] for found in kept if found] == [
        [s] for s in range(2000, 2008)
    ]
    assert finished(folder) == 8
    assert not list((folder / "runs").glob(".*"))  # no half-written file


@pytest.mark.slow
def test_a_lost_scheduler_keeps_what_is_done_and_the_rest_is_done_later(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    notebook, folder = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "sweep"
    process, address = scheduler(start, tmp_path)
    worker(start, address)

    def kill() -> None:
        until(lambda: finished(folder) >= 2)
        process.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    words = [str(notebook), "--seeds=2000:2006", "--set=nap=0.3", f"--output={folder}"]
    assert main([*words, f"--scheduler={address}"]) == 1
    killer.join()
    assert "the scheduler was lost with" in capsys.readouterr().err
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert 2 <= len(before) < 6
    for path in before:
        assert json.loads(path.read_text())[0]["claim"] == "toy-sum"
    assert main([*words, "--workers=1"]) == 0
    assert finished(folder) == 6
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    notebook, folder = write_notebook(tmp_path / "toy.ipynb"), tmp_path / "sweep"
    words = [str(notebook), f"--output={folder}", "--workers=1", "--set=data=a,broken"]
    assert main([*words, "--seeds=7:9"]) == 1
    said = capsys.readouterr()
    assert "3 of 4 runs in" in said.out
    assert said.err.count("failed: ") == 1
    assert "toy, cpu, seed 7, data=broken failed: " in said.err
    table = (folder / "table.csv").read_text().splitlines()
    assert [line.split(",")[:4] for line in table[1:]] == [
        ["toy-sum", "a", "2", "11.5"],
        ["toy-sum", "broken", "1", "12"],
    ]
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds=1:1"], "1 to 10000 runs, got 0"),
        (["--seeds=1", "--set=depth=3"], "settings must be ones that toy.ipynb has"),
        (["--seeds=1", "--size=huge"], "size must be one of"),
        (["--seeds=1", "--workers=0"], "workers must be at least 1, got 0"),
        (["--seeds=1", "--scheduler=here"], "scheduler must be local or an address tcp"),
        (
            ["--seeds=1", "--scheduler=tcp://127.0.0.1:9", "--workers=2"],
            "workers must not be given for a scheduler that runs",
        ),
    ],
)
def test_bad_input_is_refused(words, message, tmp_path, capsys):
    notebook = write_notebook(tmp_path / "toy.ipynb")
    assert main([str(notebook), f"--output={tmp_path / 'sweep'}", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    notebook = write_notebook(tmp_path / "toy.ipynb")
    words = [str(notebook), "--seeds=1", "--scheduler=tcp://127.0.0.1:9"]
    assert main([*words, f"--output={tmp_path / 'sweep'}"]) == 2
    said = capsys.readouterr().err
    assert "within 1 seconds, got nothing from tcp://127.0.0.1:9" in said
    assert main([str(tmp_path / "absent.ipynb"), "--seeds=1"]) == 2
    assert "notebook must be an existing file" in capsys.readouterr().err
