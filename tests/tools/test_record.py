"""A run is kept once, of the committed notebook alone, and confirmed or refused later."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import record as tool
import records
from nbformat.v4 import new_markdown_cell
from notebook import NotebookError, code_cells, printed_lines
from toy_notebooks import SEEDS, executed, record, toy, write, write_records

SOURCE = toy("judge()")
NOTEBOOK = Path("notebooks", "toy.ipynb")
README = "# Sums\n\nSo far: <!-- headline --><!-- /headline -->\n"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all", "notebooks", "README.md")
    git(root, "commit", "--quiet", "--message", "toy: two claims")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own, whatever git is told outside, with one notebook in it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "A tester")
    git(tmp_path, "config", "user.email", "tester@example.org")
    write(tmp_path / NOTEBOOK, SOURCE)
    (tmp_path / "README.md").write_text(README)
    commit(tmp_path)
    return tmp_path


def ran(
    root: Path, *found: records.Record, size: str = "cpu", printed: str = "four\n"
) -> None:
    """What a run of the notebook as it stands leaves in build/."""
    source = nbformat.read(root / NOTEBOOK, as_version=4)
    write(root / "build" / "executed" / size / "toy.ipynb", executed(source, printed))
    folder = root / "build" / "results" / size
    for old in folder.glob("*.json"):
        old.unlink()
    write_records(folder, *found)


def keep(root: Path, size: str = "cpu") -> int:
    return tool.keep(root, root / NOTEBOOK, size)


def kept(root: Path, size: str = "cpu") -> dict[str, records.Record]:
    return records.load(root / "results" / size)


def untouched(root: Path) -> bool:
    """Whether neither an output nor a record was kept."""
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    return not any(cell.outputs for cell in code_cells(notebook)) and kept(root) == {}


def test_data_of_interactive_figures_are_kept_with_the_outputs(root: Path):
    source = toy("judge()")
    place = new_markdown_cell('<div class="interactive" data-interactive="rings">\n</div>')
    source.cells.append(place)
    write(root / NOTEBOOK, source)
    commit(root)
    ran(root, record())
    with pytest.raises(NotebookError, match=r"toy\.ipynb must write rings\.json"):
        keep(root)
    assert untouched(root)
    for size in ("cpu", "gpu"):
        ran(root, record(size=size), size=size)
        data = root / "build" / "results" / size / "artefacts" / "rings.json"
        data.parent.mkdir()
        data.write_text(f'["{size}"]\n')
        keep(root, size)
    # The book shows the outputs of the cpu run, so it shows its data.
    found = {p: p.read_text() for p in (root / "results").rglob("artefacts/*")}
    assert found == {root / "results/cpu/artefacts/rings.json": '["cpu"]\n'}


def test_outputs_and_records_are_kept(root: Path):
    made = [record(), record("toy-product", values=[9.0, 9.0, 9.0])]
    ran(root, *made)
    assert keep(root) == 2
    assert kept(root) == {each["claim"]: each for each in made}
    assert kept(root)["toy-product"]["verdict"] == "FAILS"
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    assert printed_lines(notebook) == ["four"]
    assert [cell.execution_count for cell in code_cells(notebook)] == [1, 2]
    assert sorted(path.name for path in (root / "notebooks").iterdir()) == ["toy.ipynb"]


def test_make_has_nothing_to_do_after_a_run_was_kept(root: Path):
    ran(root, record())
    old = root / "build" / "executed" / "cpu" / "toy.ipynb"
    os.utime(old, (1, 1))
    keep(root)
    assert old.stat().st_mtime_ns >= (root / NOTEBOOK).stat().st_mtime_ns


def test_keeping_the_same_run_again_changes_nothing(root: Path):
    ran(root, record())
    keep(root)
    before = (root / NOTEBOOK).read_bytes()
    keep(root)
    assert (root / NOTEBOOK).read_bytes() == before


def test_notebook_must_have_run(root: Path):
    with pytest.raises(
        NotebookError, match=r"must have run at size cpu: make book SIZE=cpu"
    ):
        keep(root)


def test_notebook_must_be_committed(root: Path):
    git(root, "rm", "--cached", "--quiet", str(NOTEBOOK))
    git(root, "commit", "--quiet", "--message", "toy: gone")
    ran(root, record())
    with pytest.raises(NotebookError, match="must be committed, with its claims"):
        keep(root)
    assert untouched(root)


def test_code_that_ran_must_be_the_committed_code(root: Path):
    write(root / NOTEBOOK, toy("judge(a_wider_claim)"))
    ran(root, record())
    with pytest.raises(NotebookError, match="the code that ran must be the committed code"):
        keep(root)
    assert untouched(root)
    # Staged is not committed.
    git(root, "add", str(NOTEBOOK))
    with pytest.raises(NotebookError, match="the code that ran must be the committed code"):
        keep(root)
    commit(root)
    assert keep(root) == 1


@pytest.mark.parametrize("place", [0, -1])
def test_an_edit_made_since_the_run_is_not_lost(place: int, root: Path):
    ran(root, record())
    edited = nbformat.from_dict(SOURCE)
    edited.cells[place].source += "\n# A second thought."
    write(root / NOTEBOOK, edited)
    before = (root / NOTEBOOK).read_bytes()
    with pytest.raises(NotebookError, match="must have the cells of its source"):
        keep(root)
    assert (root / NOTEBOOK).read_bytes() == before
    assert kept(root) == {}


def test_new_alt_text_is_kept_with_the_outputs(root: Path):
    ran(root, record())
    described = nbformat.from_dict(SOURCE)
    described.cells[-1].metadata["mystnb"] = {"image": {"alt": "Four dots."}}
    write(root / NOTEBOOK, described)
    keep(root)
    notebook = nbformat.read(root / NOTEBOOK, as_version=4)
    assert notebook.cells[-1].metadata == described.cells[-1].metadata
    assert printed_lines(notebook) == ["four"]


def test_run_with_overrides_is_refused(root: Path):
    ran(root, record(verdict="UNTRIED"))
    with pytest.raises(NotebookError, match="toy-sum: a run with overrides cannot be kept"):
        keep(root)
    assert untouched(root)


@pytest.mark.parametrize(
    "seeds", [[7, 8, 9], [1013, 1009, 1019], SEEDS[:2], SEEDS[:1], [*SEEDS, 1033]]
)
def test_run_with_other_seeds_is_refused(seeds: list[int], root: Path):
    ran(root, record(seeds=seeds, values=[4.0] * len(seeds)))
    with pytest.raises(NotebookError, match="toy-sum: seeds must be the notebook's"):
        keep(root)
    assert untouched(root)


@pytest.mark.parametrize("num_seeds", [3, 4, 5])
def test_leading_seeds_are_kept(num_seeds: int, root: Path):
    ran(root, record(seeds=SEEDS[:num_seeds], values=[4.0] * num_seeds))
    assert keep(root) == 1


def test_run_that_confirms_replaces_the_kept_one(root: Path):
    ran(root, record(values=[4.0, 4.1, 3.9]))
    keep(root)
    again = record(values=[4.05, 4.05, 3.95], seconds=7.0)
    ran(root, again, printed="about four\n")
    keep(root)
    assert kept(root) == {"toy-sum": again}
    assert printed_lines(nbformat.read(root / NOTEBOOK, as_version=4)) == ["about four"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": [4.0, 4.3, 3.9]}, "seed 1013: 4.3 now, 4.1 committed, tolerance 0.1"),
        ({"values": [4.0, 4.1, 4.55]}, "SPLIT now, HOLDS committed"),
        ({"high": 9.0}, "high: 9.0 now, 4.5 committed"),
        ({"low": None}, "low: None now, 3.5 committed"),
        ({"at_least": 0.5}, "at_least: 0.5 now, 1.0 committed"),
        ({"tolerance": 99.0}, "tolerance: 99.0 now, 0.1 committed"),
        ({"quantity": "sum, in pears"}, "quantity: 'sum, in pears' now"),
        ({"source": "euclid300"}, "source: 'euclid300' now, 'this book' committed"),
        ({"seeds": SEEDS[:4], "values": [4.0] * 4}, "seeds: [1009, 1013, 1019, 1021] now"),
    ],
)
def test_run_that_contradicts_the_kept_one_is_refused(
    changes: records.Record, said: str, root: Path
):
    first = record()
    ran(root, first)
    keep(root)
    before = (root / NOTEBOOK).read_bytes()
    ran(root, record(**changes), printed="five\n")
    with pytest.raises(NotebookError, match="toy-sum: a kept run is replaced") as refusal:
        keep(root)
    assert said in str(refusal.value)
    assert kept(root) == {"toy-sum": first}
    assert (root / NOTEBOOK).read_bytes() == before


def test_claim_cannot_be_dropped_silently(root: Path):
    ran(root, record(), record("toy-product"))
    keep(root)
    ran(root, record())
    with pytest.raises(NotebookError, match="no longer measures toy-product"):
        keep(root)
    assert set(kept(root)) == {"toy-sum", "toy-product"}


def test_records_of_other_chapters_are_left_alone(root: Path):
    other = record("other-claim", chapter="other")
    write_records(root / "results" / "cpu", other)
    ran(root, record(), record("third-claim", chapter="third"))
    assert keep(root) == 1
    assert kept(root) == {"other-claim": other, "toy-sum": record()}


def test_smoke_run_keeps_outputs_only(root: Path):
    ran(root, record(verdict="UNTRIED", size="smoke"), size="smoke", printed="untried\n")
    assert keep(root, "smoke") == 0
    assert printed_lines(nbformat.read(root / NOTEBOOK, as_version=4)) == ["untried"]
    assert not (root / "results").exists()


def test_smoke_run_needs_no_commit(root: Path):
    write(root / NOTEBOOK, toy("judge(a_draft)"))
    ran(root, size="smoke", printed="untried\n")
    assert keep(root, "smoke") == 0
    assert printed_lines(nbformat.read(root / NOTEBOOK, as_version=4)) == ["untried"]


def test_smoke_run_never_hides_kept_verdicts(root: Path):
    ran(root, record())
    keep(root)
    before = (root / NOTEBOOK).read_bytes()
    ran(root, record(verdict="UNTRIED", size="smoke"), size="smoke", printed="untried\n")
    assert keep(root, "smoke") == 0
    assert (root / NOTEBOOK).read_bytes() == before


def test_gpu_run_keeps_records_only(root: Path):
    before = (root / NOTEBOOK).read_bytes()
    ran(root, record(size="gpu"), size="gpu")
    assert keep(root, "gpu") == 1
    assert kept(root, "gpu") == {"toy-sum": record(size="gpu")}
    assert (root / NOTEBOOK).read_bytes() == before


def call(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["record.py", str(NOTEBOOK), *arguments])
    return tool.main()


def test_readme_says_what_was_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ran(root, record(), record("toy-product", values=[9.0, 9.0, 9.0]))
    assert call(root, monkeypatch) == 0
    assert capsys.readouterr().out == "toy: 2 records kept\n"
    headline = "2 claims: 1 holds, 0 split, 1 fails."
    assert (root / "README.md").read_text() == README.replace(
        "--><!--", f"-->{headline}<!--"
    )


def test_readme_counts_the_records_of_the_book_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    write_records(root / "results" / "cpu", record("other-claim", chapter="other"))
    ran(root, record(size="gpu"), size="gpu")
    assert call(root, monkeypatch, "--size", "gpu") == 0
    assert "-->1 claim: 1 holds, 0 split, 0 fail.<!--" in (root / "README.md").read_text()


def test_refusal_is_an_exit_status(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ran(root, record(verdict="UNTRIED"))
    assert call(root, monkeypatch) == 1
    assert "a run with overrides cannot be kept" in capsys.readouterr().err
    assert (root / "README.md").read_text() == README


def test_kept_record_is_the_file_that_the_run_wrote(root: Path):
    ran(root)
    text = json.dumps(record(), indent=2) + "\n"
    path = Path("results", "cpu", "toy-sum.json")
    (root / "build" / path).write_text(text)
    keep(root)
    assert (root / path).read_text() == text
