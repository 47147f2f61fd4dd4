"""What the book is built from, and when it is built anew."""

import subprocess
import sys
from pathlib import Path

import build_book
import pytest
from nbformat.v4 import new_markdown_cell
from notebook import NotebookError
from toy_notebooks import executed, record, toy, write, write_records

from geomlib import claims

TOC = """root: book/index
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/toy
        sections:
          - file: notebooks/inner
      - file: book/theory
  - caption: More
    chapters:
      - file: notebooks/last
"""
Content = dict[str, bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sources of a book of one chapter, whose notebook has run."""
    texts = {
        "_toc.yml": "root: book/index\nchapters:\n  - file: notebooks/toy\n",
        "_config.yml": "title: Sums\n",
        "book/index.md": "# Sums\n",
        "book/_static/book.css": "p {}\n",
        "src/geomlib/sums.py": "TWO = 2\n",
        "requirements.lock": "apples==2\n",
        "README.md": "# Not a page\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    write(tmp_path / "notebooks" / "toy.ipynb", toy("judge()"))
    done = executed(toy("judge()"), claims.line(record()))
    write(tmp_path / "build" / "executed" / "cpu" / "toy.ipynb", done)
    write_records(tmp_path / "build" / "results" / "cpu", record())
    return tmp_path


def staged(root: Path, size: str = "cpu") -> Content:
    build = root / "build"
    return build_book.staged(root, build / "executed" / "cpu", build / "results" / size)


def build(root: Path) -> bool:
    folder = root / "build"
    return build_book.build(root, folder / "executed" / "cpu", folder / "results" / "cpu")


class FakeBuilder:
    """Stands for jupyter-book: counts its calls, and fails or stops when told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.status = 0
        self.interrupted = False

    def __call__(
        self, command: list[object], **options: object
    ) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(map(str, command)))
        site = Path(str(command[2]))
        (site / "_build" / "html").mkdir(parents=True, exist_ok=True)
        if self.interrupted:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess([], self.status, "", "a warning")


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
    fake = FakeBuilder()
    monkeypatch.setattr(build_book.subprocess, "run", fake)
    return fake


def test_chapters_in_the_order_of_the_contents(tmp_path: Path):
    (tmp_path / "_toc.yml").write_text(TOC)
    names = [path.name for path in build_book.chapters(tmp_path)]
    assert names == ["toy.ipynb", "inner.ipynb", "last.ipynb"]


def test_every_file_lies_where_its_source_does(root: Path):
    content = staged(root)
    assert set(content) == {
        "_toc.yml",
        "_config.yml",
        "book/index.md",
        "book/_static/book.css",
        "book/_static/mathjax/tex-svg.js",
        "book/benchmarks.md",
        "book/scoreboard.md",
        "notebooks/toy.ipynb",
    }
    assert content["book/index.md"] == b"# Sums\n"
    shown = root / "build" / "executed" / "cpu" / "toy.ipynb"
    assert content["notebooks/toy.ipynb"] == shown.read_bytes()
    # All of MathJax: it fetches no font and no other part.
    assert len(content["book/_static/mathjax/tex-svg.js"]) > 1_000_000


def test_data_of_interactive_figures_are_staged_as_scripts(root: Path):
    shown = executed(toy("judge()"), claims.line(record()))
    place = new_markdown_cell('<div class="interactive" data-interactive="bells">\n</div>')
    shown.cells.append(place)
    write(root / "build" / "executed" / "cpu" / "toy.ipynb", shown)
    data = root / "build" / "results" / "cpu" / "artefacts" / "bells.json"
    with pytest.raises(NotebookError, match=r"toy must have written .*bells\.json"):
        staged(root)
    data.parent.mkdir()
    data.write_text('{"steps":[0,1]}\n')
    content = staged(root)
    script = content["book/_static/interactive/bells.data.js"].decode()
    assert script == '(globalThis.figureData ??= {})["bells"] = {"steps":[0,1]};\n'
    assert "bells" not in content["book/scoreboard.md"].decode()
    before = build_book.digest(root, content)
    data.write_text('{"steps":[0,2]}\n')
    assert build_book.digest(root, staged(root)) != before


def test_scoreboard_shows_the_run_and_the_other_sizes_as_committed(root: Path):
    write_records(root / "results" / "cpu", record(values=[9.0, 9.0, 9.0]))
    write_records(root / "results" / "gpu", record(size="gpu", values=[9.0, 4.0, 9.0]))
    page = staged(root)["book/scoreboard.md"].decode()
    assert "[HOLDS]{.verdict .holds}" in page
    assert "[FAILS]" not in page
    assert page.index("A toy, cpu size") < page.index("A toy, gpu size")
    assert "9\u00a0(1009), 4\u00a0(1013), 9\u00a0(1019)" in page


def test_committed_verdicts_are_shown_beside_a_smoke_run(root: Path):
    write_records(root / "results" / "cpu", record())
    untried = record(verdict="UNTRIED", size="smoke")
    write_records(root / "build" / "results" / "smoke", untried)
    page = staged(root, "smoke")["book/scoreboard.md"].decode()
    assert "A toy, cpu size" in page
    assert "A toy, smoke size" in page


def test_chapter_that_has_not_run_is_named(root: Path):
    (root / "build" / "executed" / "cpu" / "toy.ipynb").unlink()
    with pytest.raises(NotebookError, match=r"existing file, got .*toy\.ipynb"):
        staged(root)


def test_staging_leaves_unchanged_files_alone_and_removes_stale_ones(tmp_path: Path):
    site = tmp_path / "site"
    build_book.stage(site, {"book/a.md": b"a", "book/b.md": b"b", "c.md": b"c"})
    built = site / "_build" / "html" / "index.html"
    built.parent.mkdir(parents=True)
    built.write_text("built")
    before = (site / "book" / "a.md").stat().st_mtime_ns
    build_book.stage(site, {"book/a.md": b"a", "book/b.md": b"B"})
    assert (site / "book" / "a.md").stat().st_mtime_ns == before
    assert (site / "book" / "b.md").read_bytes() == b"B"
    assert not (site / "c.md").exists()
    assert built.read_text() == "built"


def test_digest_is_that_of_the_content_alone(root: Path):
    before = build_book.digest(root, staged(root))
    (root / "README.md").write_text("# Still not a page\n")
    (root / "book" / "index.md").touch()
    assert build_book.digest(root, staged(root)) == before


@pytest.mark.parametrize(
    "name",
    [
        "book/index.md",
        "book/new.md",
        "_config.yml",
        "src/geomlib/sums.py",
        "requirements.lock",
    ],
)
def test_digest_changes_with_what_the_pages_depend_on(name: str, root: Path):
    before = build_book.digest(root, staged(root))
    with (root / name).open("a") as file:
        file.write("# more\n")
    assert build_book.digest(root, staged(root)) != before


def test_digest_changes_with_the_notebook_the_records_and_a_name(root: Path):
    digests = {build_book.digest(root, staged(root))}
    write(root / "build" / "executed" / "cpu" / "toy.ipynb", executed(toy("judge()"), "5"))
    digests.add(build_book.digest(root, staged(root)))
    write_records(root / "build" / "results" / "cpu", record(values=[4.0, 4.0, 4.0]))
    digests.add(build_book.digest(root, staged(root)))
    (root / "book" / "index.md").rename(root / "book" / "start.md")
    digests.add(build_book.digest(root, staged(root)))
    assert len(digests) == 4
    # Where one file ends and the next begins counts too.
    first = build_book.digest(root, {"a": b"x", "b": b"y"})
    assert first != build_book.digest(root, {"a": b"", "b": b"xy"})


def test_book_is_built_anew_when_something_changed(root: Path, builder: FakeBuilder):
    assert [build(root), build(root)] == [True, False]
    (root / "book" / "index.md").write_text("# More sums\n")
    assert [build(root), build(root)] == [True, False]
    assert len(builder.calls) == 2
    assert (root / "build" / "site" / "book" / "index.md").read_text() == "# More sums\n"
    # A warning fails the build, a dangling reference too.
    assert {"-W", "-n"} < set(builder.calls[0])


def test_failed_build_is_repeated(root: Path, builder: FakeBuilder):
    build(root)
    (root / "book" / "index.md").write_text("# More sums\n")
    builder.status = 1
    for _ in range(2):
        with pytest.raises(NotebookError, match="must build without a warning"):
            build(root)
    assert not (root / "build" / "site" / "_build").exists()
    builder.status = 0
    assert build(root)


def test_interrupted_build_is_not_taken_for_the_one_before(
    root: Path, builder: FakeBuilder
):
    build(root)
    (root / "book" / "index.md").write_text("# More sums\n")
    builder.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        build(root)
    # Back to what the first build had, which is not what lies there now.
    (root / "book" / "index.md").write_text("# Sums\n")
    builder.interrupted = False
    assert build(root)


def test_exit_status_and_words(
    root: Path,
    builder: FakeBuilder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(root)
    folders = ["--executed", "build/executed/cpu", "--results", "build/results/cpu"]
    monkeypatch.setattr(sys, "argv", ["build_book.py", *folders])
    assert build_book.main() == 0
    assert "build/site/_build/html/index.html" in capsys.readouterr().out
    assert build_book.main() == 0
    assert capsys.readouterr().out.startswith("book unchanged: ")
    (root / "book" / "index.md").write_text("# More sums\n")
    builder.status = 1
    assert build_book.main() == 1
    assert "must build without a warning; see above." in capsys.readouterr().err
