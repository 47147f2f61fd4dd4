"""The PDF is whole or not there, and a missing or failing browser is said."""

import re
import shutil
from pathlib import Path

import print_book
import pytest
from browser import BROWSERS
from notebook import NotebookError

needs_browser = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium installed"
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "whole.html"
    path.write_text("<h1>One</h1><p style='break-before: page'>Two</p>")
    return path


@needs_browser
def test_page_is_printed(page: Path, tmp_path: Path):
    print_book.print_page(page, tmp_path / "out" / "book.pdf")
    printed = (tmp_path / "out" / "book.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert b"/Count 2" in printed  # the tree of pages holds two
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["book.pdf"]


@pytest.mark.parametrize(
    ("program", "status"), [("#!/bin/sh\nexit 0\n", 0), ("#!/bin/sh\nexit 3\n", 3)]
)
def test_browser_that_prints_nothing_is_named(
    program: str,
    status: int,
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    fake = tmp_path / "chromium"
    fake.write_text(program)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    earlier = tmp_path / "book.pdf"
    earlier.write_bytes(b"%PDF-1.4 of the last time")
    with pytest.raises(NotebookError, match=rf"print whole.html: exit status {status}"):
        print_book.print_page(page, earlier)
    assert earlier.read_bytes() == b"%PDF-1.4 of the last time"


def test_browser_that_never_ends_is_named(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(print_book, "PATIENCE", 0.5)
    with pytest.raises(NotebookError, match=r"print whole.html within 0.5 seconds"):
        print_book.print_page(page, tmp_path / "book.pdf")
    assert not (tmp_path / "book.pdf").exists()


def test_links_between_pages_become_links_within_the_one():
    page = (
        '<a href="book/index.html#sum"><a href="../notebooks/x_y.html">'
        '<a href="https://example.org/book/index.html#sum"><a href="#here">'
    )
    assert re.findall('href="([^"]*)"', print_book.inner_links(page)) == [
        "#sum",
        "#document-notebooks/x_y",
        "https://example.org/book/index.html#sum",
        "#here",
    ]


def test_missing_browser_is_an_error_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert print_book.main() == 1
    assert "apt-get install chromium" in capsys.readouterr().err
