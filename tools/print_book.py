"""Print the built book as one PDF, build/book.pdf, by Chromium.

    python tools/print_book.py

All pages are joined into one by Sphinx, from what the last build of the book staged, and
that page is printed: its links work inside the PDF, and its look is book.css's for print.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from notebook import NotebookError

from geomlib.places import write_bytes

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
    # Thousands of formulas are set before the page is printed.
    "--virtual-time-budget=600000",
)
PATIENCE = 1800  # seconds for Chromium


def browser() -> str:
    """Path of a Chromium.

    Raises:
        NotebookError: None is installed.
    """
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        raise NotebookError(
            f"one of {', '.join(BROWSERS)} must be installed to print the book; "
            "on Debian: apt-get install chromium."
        )
    return found[0]


def one_page(site: Path, folder: Path) -> Path:
    """The staged book as one page of HTML.

    Args:
        site: Folder that tools/build_book.py staged.
        folder: Where the page goes, with all that it shows.
    """
    program = Path(sys.executable).parent / "jupyter-book"
    options = ["--builder", "singlehtml", "--path-output", folder, "-q"]
    done = subprocess.run(
        [program, "build", site, *options], capture_output=True, text=True, check=False
    )
    made = folder / "_build" / "singlehtml"
    if done.returncode or not (made / "book" / "index.html").is_file():
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise NotebookError("the book must build as one page; see above.")
    # Its links start from the root, wherever the first page lies.
    return (made / "book" / "index.html").rename(made / "whole.html")


def print_page(page: Path, output: Path) -> None:
    """Print one page of HTML; ``output`` is whole or not there."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "page.pdf"
        command = [browser(), *FLAGS, f"--user-data-dir={folder}/profile"]
        command += [f"--print-to-pdf={draft}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        printed = draft.read_bytes() if draft.is_file() else b""
    if done.returncode or not printed.startswith(b"%PDF-"):
        raise NotebookError(
            f"Chromium must print {page.name}: exit status {done.returncode}, "
            f"{done.stderr.decode(errors='replace')[-300:]}"
        )
    write_bytes(output, printed)


def main() -> int:
    """Exit status: 0 when the PDF stands."""
    site, output = Path("build/site"), Path("build/book.pdf")
    try:
        browser()
        with tempfile.TemporaryDirectory() as folder:
            print_page(one_page(site, Path(folder)), output)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"printed: {output}, {output.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
