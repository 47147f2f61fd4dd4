"""Print the built book as one PDF, build/book.pdf, by Chromium.

    python tools/print_book.py

All pages are joined into one by Sphinx, from what the last build of the book staged, and
that page is printed: its links work inside the PDF, and its look is book.css's for print.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import BROWSERS, FLAGS
from notebook import NotebookError

from geomlib.places import write_bytes

PRINTING = (
    "--no-pdf-header-footer",
    # Thousands of formulas are set before the page is printed.
    "--virtual-time-budget=600000",
)
PATIENCE = 1800  # seconds for Chromium


def chromium() -> str:
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
    # Files are named from the root, wherever the first page lies.
    page = made / "whole.html"
    page.write_text(inner_links((made / "book" / "index.html").read_text("utf-8")), "utf-8")
    return page


def inner_links(page: str) -> str:
    """The page with its links to pages of the book turned into links within itself.

    >>> inner_links('<a href="book/index.html#x"> <a href="../notebooks/a.html">')
    '<a href="#x"> <a href="#document-notebooks/a">'
    """
    page = page.replace('href="book/index.html#', 'href="#')
    return re.sub(r'href="\.\./(notebooks/\w+)\.html"', r'href="#document-\1"', page)


def print_page(page: Path, output: Path) -> None:
    """Print one page of HTML; ``output`` is whole or not there."""
    # Chromium may still write into its profile when it has ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        draft = Path(folder) / "page.pdf"
        command = [chromium(), *FLAGS, *PRINTING, f"--user-data-dir={folder}/profile"]
        command += [f"--print-to-pdf={draft}", page.resolve().as_uri()]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotebookError(
                f"Chromium must print {page.name} within {PATIENCE} seconds. Let nothing "
                "else run beside it."
            ) from None
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
        chromium()
        with tempfile.TemporaryDirectory() as folder:
            print_page(one_page(site, Path(folder)), output)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"printed: {output}, {output.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
