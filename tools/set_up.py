"""Stamp the link to Colab and the set-up cell into notebooks.

    python tools/set_up.py notebooks/*.ipynb           rewrite those that are out of step
    python tools/set_up.py --check notebooks/*.ipynb   name them instead

Owner, repository and branch stand once, in _config.yml, and the version once, in geomlib.
A fork changes the former, a release the latter, and both then run this. What is in step
is not written, so nothing runs again for it.
"""

import argparse
import re
import sys
from pathlib import Path
from string import Template

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from notebook import NotebookError, code_cells, read, tags

from geomlib.places import write_text

IDENTITY = "setup"
TITLE = "Set-up: installs geomlib where it is missing"
FOLDED = {"hide-cell", "hide-input"}
# Folded to its title: on Colab, in JupyterLab, in the book.
METADATA = {
    "cellView": "form",
    "jupyter": {"source_hidden": True},
    "mystnb": {"code_prompt_show": TITLE, "code_prompt_hide": TITLE},
    "tags": [IDENTITY, "hide-cell"],
}
# What geomlib needs, directly or not, and Colab lacks: pure Python, imported under the
# name that it is installed by.
MISSING_ON_COLAB = ("jaxtyping", "wadler_lindig")
# Another package has the same import name; a line of our own file tells the two apart
# before any of it runs. A folder without __init__.py is no package: it gives way to ours.
CELL = Template("""\
# @title $title
import os
import subprocess
import sys
from importlib import invalidate_caches, util
from pathlib import Path

from packaging.version import Version

VERSION = "$version"
URL = "git+$url"
place = getattr(util.find_spec("geomlib"), "origin", None)
cure = "$cure"
if place and b"$ours" not in Path(place).read_bytes():
    raise ImportError(f"another package's geomlib is in {place}. {cure}")
needed = [$missing]
missing = [name for name in needed if not util.find_spec(name)]
if not place:
    missing.append(os.environ.get("GEOMLIB_SOURCE", f"{URL}@v{VERSION}"))
if missing:
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps"]
    subprocess.run([*pip, *missing], check=True)
    invalidate_caches()
from geomlib import __version__ as found

if Version(found) < Version(VERSION):
    raise ImportError(f"geomlib must be >= {VERSION}, got {found}. {cure}")""")
OURS = "projection heads"
CURE = (
    "Remove it (pip uninstall -y geomlib projection-geometry), restart, "
    "and run this cell again."
)


def repository(root: Path) -> tuple[str, str]:
    """Address of the repository on GitHub, and its branch."""
    setting = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    url, branch = (setting["repository"][key] for key in ("url", "branch"))
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise NotebookError(
            "repository.url in _config.yml must be https://github.com/OWNER/REPOSITORY, "
            f"got {url!r}."
        )
    return url, branch


def version(root: Path) -> str:
    """Version of the library in the source tree, whichever one is installed."""
    text = (root / "src" / "geomlib" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if found is None or OURS not in text:
        raise NotebookError(
            'src/geomlib/__init__.py must hold __version__ = "X.Y.Z" and the words '
            f"{OURS!r}, by which the set-up cell knows it."
        )
    return found[1]


def cell_source(root: Path) -> str:
    """Code of the set-up cell: the same in every notebook."""
    return CELL.substitute(
        title=TITLE,
        url=repository(root)[0],
        version=version(root),
        ours=OURS,
        cure=CURE,
        missing=", ".join(f'"{name}"' for name in MISSING_ON_COLAB),
    )


def link(root: Path, name: str) -> str:
    """Markdown that opens a notebook in Colab: text, so that no picture is fetched."""
    url, branch = repository(root)
    place = url.removeprefix("https://")
    target = f"https://colab.research.google.com/{place.replace('.com', '', 1)}"
    return f"[Open in Colab]({target}/blob/{branch}/notebooks/{name})"


def stamped(root: Path, notebook: NotebookNode, name: str) -> NotebookNode:
    """Copy of a notebook with its link and its set-up cell, and all else as it was."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        raise NotebookError(
            f"{name} must be in format 4.5 or newer, where cells have an id, got "
            f"{notebook.nbformat}.{notebook.nbformat_minor}."
        )
    made = nbformat.from_dict(notebook)
    if not made.cells or made.cells[0].cell_type != "markdown" or not code_cells(made):
        raise NotebookError(f"{name} must begin with a Markdown cell and hold code.")
    first = made.cells[0]
    text = re.sub(r"^.*\[Open in Colab\].*$", "", first.source, flags=re.MULTILINE)
    first.source = f"{text.rstrip()}\n\n{link(root, name)}"
    there = [cell for cell in made.cells if cell.id == IDENTITY]
    others = [cell for cell in made.cells if cell.id != IDENTITY]
    for cell in others:
        if IDENTITY in tags(cell):
            _untag(cell)
    setup = there[0] if there else new_code_cell(id=IDENTITY)
    setup.source = cell_source(root)
    setup.metadata = nbformat.from_dict(METADATA)
    position = next(i for i, cell in enumerate(others) if cell.cell_type == "code")
    made.cells = [*others[:position], setup, *others[position:]]
    if not there:
        _count(made)
    return made


def _untag(cell: NotebookNode) -> None:
    """Show the imports, which used to share the folded cell."""
    cell.metadata.tags = [tag for tag in tags(cell) if tag not in {IDENTITY, *FOLDED}]
    if not cell.metadata.tags:
        del cell.metadata["tags"]


def _count(notebook: NotebookNode) -> None:
    """Number the code cells of a notebook that has run, the new one among them."""
    cells = code_cells(notebook)
    if all(cell.execution_count is None for cell in cells):
        return
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def set_up(root: Path, paths: list[Path], check: bool) -> list[Path]:
    """Notebooks that were out of step; rewritten, unless they are only checked."""
    changed = []
    for path in paths:
        notebook = read(path)
        made = stamped(root, notebook, path.name)
        if made != notebook:
            changed.append(path)
            if not check:
                write_text(path, nbformat.writes(made) + "\n")
    return changed


def main() -> int:
    """Exit status: 1 when a check found a notebook out of step, or a rule is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    try:
        changed = set_up(Path(), arguments.notebooks, arguments.check)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        print(f"{path}: {'out of step' if arguments.check else 'set up'}")
    if arguments.check and changed:
        print("Run python tools/set_up.py notebooks/*.ipynb", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
