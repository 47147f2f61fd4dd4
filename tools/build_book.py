"""Stage the pages, the notebooks and the scoreboard, and build the book from them.

Nothing generated lands among the sources: pages are copied to build/site under their own
relative paths and built there, so links to a notebook's source stay right.
"""

import argparse
import base64
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import benchmark_page
import cover
import records
import scoreboard
import yaml
from nbformat import NotebookNode
from notebook import NotebookError, code_cells, interactive, read

CONFIGURATION = ("_config.yml", "_toc.yml")


def chapters(root: Path) -> list[Path]:
    """Notebooks in the order of the table of contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def files(node: object) -> list[str]:
        match node:
            case {"file": str(name), **rest}:
                return [name, *files(rest)]
            case dict():
                return [name for value in node.values() for name in files(value)]
            case list():
                return [name for value in node for name in files(value)]
        return []

    return [root / f"{name}.ipynb" for name in files(toc) if name.startswith("notebooks/")]


def staged(root: Path, executed: Path, results: Path) -> dict[str, bytes]:
    """Every file of the site's source by its relative path.

    Args:
        root: Folder of the sources.
        executed: Folder of the notebooks to show.
        results: Folder of the records of the size that was run, with the data of
            interactive figures in ``artefacts``; records of other sizes are the
            committed ones.
    """
    pages = [path for path in sorted((root / "book").rglob("*")) if path.is_file()]
    content = {
        str(path.relative_to(root)): path.read_bytes()
        for path in [*pages, *(root / name for name in CONFIGURATION)]
    }
    notebooks = [executed / path.name for path in chapters(root)]
    for path in notebooks:
        read(path)
        content[f"notebooks/{path.name}"] = path.read_bytes()
        for name, picture in figures(read(path)).items():
            content[f"book/figures/{name}.png"] = picture
        for name in interactive(read(path)):
            script = figure_data(results / "artefacts" / f"{name}.json", path.stem)
            content[f"book/_static/interactive/{name}.data.js"] = script
    rings = results / "artefacts" / f"{cover.SOURCE}.json"
    if rings.is_file():
        measured = json.loads(rings.read_text(encoding="utf-8"))
        content["book/figures/cover.svg"] = cover.cover(measured).encode()
        content["book/_static/favicon.svg"] = cover.favicon(measured).encode()
    found = {folder.name: records.load(folder) for folder in (root / "results").glob("*")}
    found[results.name] = records.load(results)
    ordered = {size: found[size] for size in sorted(found) if found[size]}
    for name in [name for name in content if name.endswith(".md")]:
        text = content[name].decode()
        page = scoreboard.with_verdicts(text, found[results.name], name)
        content[name] = page.encode()
    content["book/_static/mathjax/tex-svg.js"] = mathjax()
    content["book/scoreboard.md"] = scoreboard.page(notebooks, ordered).encode()
    content["book/benchmarks.md"] = benchmark_page.page(
        root / "benchmarks" / "results"
    ).encode()
    return content


def figures(notebook: NotebookNode) -> dict[str, bytes]:
    """Named figures of an executed notebook as PNG, for pages that show them too."""
    found = {}
    for cell in code_cells(notebook):
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        for output in cell.outputs:
            picture = output.get("data", {}).get("image/png")
            if picture and "name" in figure:
                found[figure["name"]] = base64.b64decode(picture)
    return found


def figure_data(path: Path, chapter: str) -> bytes:
    """Data of an interactive figure as a script: a page on disk may not fetch a file."""
    if not path.is_file():
        raise NotebookError(
            f"{chapter} must have written its interactive figure's data, {path}. "
            f"Run it at size {path.parents[1].name} and, for the committed results, keep "
            "that run: make record."
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotebookError(
            f"{path} must be JSON ({error}). Remove it and run {chapter} again."
        ) from error
    text = json.dumps(data, separators=(",", ":"))
    return f"(globalThis.figureData ??= {{}})[{json.dumps(path.stem)}] = {text};\n".encode()


def mathjax() -> bytes:
    """MathJax with its fonts as one script, from the package that ships it."""
    # The module's name holds hyphens, so it cannot be imported by a statement.
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise NotebookError("sphinx-mathjax-offline must be installed: make clean book.")
    return (Path(spec.origin).parent / "static/mathjax/tex-svg.js").read_bytes()


def stage(site: Path, content: dict[str, bytes]) -> None:
    """Make the site's source what ``content`` says; unchanged files keep their time."""
    for path in [path for path in site.rglob("*") if path.is_file()]:
        name = path.relative_to(site)
        if str(name) not in content and name.parts[0] != "_build":
            path.unlink()
    for name, wanted in content.items():
        path = site / name
        if not path.is_file() or path.read_bytes() != wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted)


def digest(root: Path, content: dict[str, bytes]) -> str:
    """Hash of all that the built pages depend on."""
    total = hashlib.sha256()
    library = {str(p): p.read_bytes() for p in (root / "src").rglob("*.py")}
    lock = {"lock": (root / "requirements.lock").read_bytes()}
    for name, data in sorted({**content, **library, **lock}.items()):
        total.update(f"{name}\0{len(data)}\0".encode() + data)
    return total.hexdigest()


def build(root: Path, executed: Path, results: Path) -> bool:
    """Whether the book was built anew (False: nothing had changed)."""
    site = root / "build" / "site"
    content = staged(root, executed, results)
    stamp, wanted = site / "_build" / "built", digest(root, content)
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    stamp.unlink(missing_ok=True)
    stage(site, content)
    # Sphinx copies static files and templates only with a page that changed.
    shutil.rmtree(site / "_build" / "html", ignore_errors=True)
    program = Path(sys.executable).parent / "jupyter-book"
    options = ["-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(
        [program, "build", site, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        # Sphinx warns once a page: without its memory the next build warns again.
        shutil.rmtree(site / "_build", ignore_errors=True)
        raise NotebookError("the book must build without a warning; see above.")
    stamp.write_text(wanted)
    return True


def main() -> int:
    """Exit status: 0 when the book stands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executed", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        anew = build(Path(), arguments.executed, arguments.results)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    done = f"built in {time.monotonic() - start:.1f} s" if anew else "unchanged"
    print(f"book {done}: build/site/_build/html/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
