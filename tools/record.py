"""Keep a run: outputs go to notebooks/, records to results/, once.

A run is kept only if the notebook that ran is the committed one, so that every claim was
in the history before it was measured. A record that exists is replaced only by one that
confirms it; to give up a kept run, delete its record in a commit that says why.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import records
import scoreboard
from notebook import (
    NotebookError,
    code_cells,
    interactive,
    parameters,
    read,
    with_outputs,
)

from geomlib.places import write_text


def committed_sources(path: Path) -> list[str]:
    """Code of a notebook as the last commit has it."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise NotebookError(
            f"{path.name} must be committed, with its claims, before a run is kept."
        )
    notebook = nbformat.reads(shown.stdout, as_version=4)
    return [cell.source for cell in code_cells(notebook)]


def check(path: Path, executed: Path, fresh: dict, kept: dict, size: str) -> None:
    """Refuse a run that is not of the committed notebook or contradicts a kept one."""
    name = path.name
    if not executed.is_file():
        raise NotebookError(f"{name} must have run at size {size}: make book SIZE={size}")
    ran = [cell.source for cell in code_cells(read(executed))]
    if size != "smoke" and ran != committed_sources(path):
        raise NotebookError(
            f"{name}: the code that ran must be the committed code. Commit the notebook "
            "with its claims, run it, then record."
        )
    seeds = parameters(read(path), name)["seeds"]
    for claim, record in fresh.items():
        if size != "smoke" and record["verdict"] == "UNTRIED":
            raise NotebookError(f"{claim}: a run with overrides cannot be kept.")
        num_seeds = max(len(record["seeds"]), min(3, len(seeds)))
        if size != "smoke" and record["seeds"] != seeds[:num_seeds]:
            raise NotebookError(
                f"{claim}: seeds must be the notebook's, {seeds}, or the first three or "
                f"more of them, got {record['seeds']}."
            )
        reasons = records.differences(record, kept[claim]) if claim in kept else []
        if reasons:
            raise NotebookError(
                f"{claim}: a kept run is replaced only by one that confirms it. "
                + "; ".join(reasons)
            )
    if gone := kept.keys() - fresh.keys():
        raise NotebookError(f"{name}: no longer measures {', '.join(sorted(gone))}.")


def artefacts(root: Path, path: Path, size: str) -> dict[str, str]:
    """Data of a notebook's interactive figures, as its run wrote them, by file name."""
    folder = root / "build" / "results" / size / "artefacts"
    found = [folder / f"{name}.json" for name in interactive(read(path))]
    for missing in [file for file in found if not file.is_file()]:
        raise NotebookError(f"{path.name} must write {missing.name}: figures.save_data.")
    return {file.name: file.read_text(encoding="utf-8") for file in found}


def keep(root: Path, path: Path, size: str) -> int:
    """Number of records kept of one notebook.

    At smoke size the outputs alone are kept, for a notebook that has no record yet: its
    claims then read UNTRIED. At gpu size the records alone are: the book shows cpu runs.
    The data of interactive figures go with the outputs.
    """
    executed = root / "build" / "executed" / size / path.name

    def of_chapter(folder: Path) -> dict[str, records.Record]:
        found = records.load(folder).items()
        return {name: record for name, record in found if record["chapter"] == path.stem}

    fresh = of_chapter(root / "build" / "results" / size)
    kept = of_chapter(root / "results" / size)
    check(path, executed, fresh, kept, size)
    if size == "smoke" and of_chapter(root / "results" / "cpu"):
        return 0  # a smoke run has nothing to add
    # Refused before anything is kept: an edit made since the run must not be lost.
    merged = with_outputs(read(path), read(executed))
    data = artefacts(root, path, size)
    if size != "smoke":
        for name in fresh:
            text = (root / "build" / "results" / size / f"{name}.json").read_text()
            write_text(root / "results" / size / f"{name}.json", text)
    if size != "gpu":
        for name, text in data.items():
            write_text(root / "results" / "cpu" / "artefacts" / name, text)
        nbformat.write(merged, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
        # What ran is newer than its outputs' copy, so make does not run it again.
        os.utime(executed)
    return 0 if size == "smoke" else len(fresh)


def main() -> int:
    """Exit status: 0 when every notebook's run was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--size", default="cpu")
    arguments = parser.parse_args()
    try:
        for path in arguments.notebooks:
            count = keep(Path(), path, arguments.size)
            found = records.load(Path("results/cpu"))
            scoreboard.update_readme(Path("README.md"), list(found.values()))
            print(f"{path.stem}: {count} records kept")
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
