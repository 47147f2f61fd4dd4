"""Runs handed to Dask's workers, each result kept as it arrives."""

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from distributed import Client, LocalCluster, as_completed
from tqdm.auto import tqdm

from geomlib import places
from geomlib.claims import Record
from geomlib.sweep.plan import Task
from geomlib.sweep.work import carried_out

LOCAL = "local"
TIMEOUT = 10  # seconds for a scheduler to answer


class LostError(Exception):
    """The scheduler went away before all runs were finished."""


@contextmanager
def connected(scheduler: str, *, num_workers: int | None = None) -> Generator[Any]:
    """Client of a scheduler.

    Args:
        scheduler: ``local`` for workers on this machine, a process each, or the address
            of a scheduler that runs, ``tcp://host:port``, whose workers have geomlib.
        num_workers: Of the local ones; None takes as many as there are cores.

    Raises:
        ValueError: If the address is none, or ``num_workers`` is below 1 or given for a
            scheduler that has its own.
        ConnectionError: If nothing answers there within ten seconds.
    """
    if scheduler == LOCAL:
        if num_workers is not None and num_workers < 1:
            raise ValueError(f"workers must be at least 1, got {num_workers}.")
        with (
            LocalCluster(
                n_workers=num_workers or os.cpu_count(),
                threads_per_worker=1,
                dashboard_address=cast(str, None),  # no dashboard
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    if not scheduler.startswith(("tcp://", "tls://")):
        raise ValueError(
            f"scheduler must be {LOCAL} or an address tcp://host:port, got {scheduler!r}."
        )
    if num_workers is not None:
        raise ValueError(
            f"workers must not be given for a scheduler that runs, got {num_workers}. "
            "It has its own; start more of them there."
        )
    try:
        client = Client(scheduler, timeout=TIMEOUT)
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"scheduler must answer within {TIMEOUT} seconds, got nothing from "
            f"{scheduler}. Start it with dask scheduler, or correct the address."
        ) from error
    with client:
        yield client


def kept(folder: Path, task: Task) -> list[Record] | None:
    """Records of a run that is finished, or None."""
    path = _path(folder, task)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def collect(client: Any, code: str, tasks: Sequence[Task], folder: Path) -> list[str]:
    """Carry out the runs that are not in the folder yet, and keep each as it ends.

    Dask gives the runs of a lost worker to others. A run has one file, named by its key
    and written whole or not at all, so none is counted twice.

    Args:
        client: Of the scheduler.
        code: The notebook, as ``plan.code_of`` gives it.
        tasks: The runs.
        folder: Where they are kept.

    Returns:
        What failed, in words; those runs are not kept, and tried again next time.

    Raises:
        LostError: If the scheduler goes away; what was finished is kept.
    """
    left = {task.key: task for task in tasks if kept(folder, task) is None}
    if not left:
        return []
    # Submitted, not scattered: a lost worker's copy is made again.
    shared = client.submit(str, code, key=f"notebook-{os.urandom(6).hex()}")
    futures = {
        client.submit(carried_out, shared, task, key=f"run-{key}", pure=False): task
        for key, task in left.items()
    }
    failed: list[str] = []
    quiet = os.environ.get("GEOMLIB_QUIET") == "1"
    finished = as_completed(futures)
    with tqdm(total=len(tasks), initial=len(tasks) - len(left), disable=quiet) as bar:
        for future in finished:
            if future.status == "cancelled":
                raise LostError(
                    f"the scheduler was lost with {bar.total - bar.n} of {bar.total} runs "
                    "unfinished. Finished ones are kept: the same command goes on."
                )
            if future.status == "error":
                failed.append(str(future.exception()))
            else:
                text = json.dumps(future.result(), indent=1)
                places.write_text(_path(folder, futures[future]), text + "\n")
            bar.update()
            future.release()
    return sorted(failed)


def _path(folder: Path, task: Task) -> Path:
    return folder / "runs" / f"{task.key}.json"
