"""A fresh run confirms what is committed, or each difference is named."""

import sys
from pathlib import Path

import pytest
import verify
from toy_notebooks import SEEDS, record, write_records


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of a fresh run and of what is committed, not there yet."""
    return tmp_path / "fresh", tmp_path / "committed"


def test_agreement_needs_no_equal_values(folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(fresh, record(values=[4.09, 4.1, 3.9], seconds=9.0, device="cpu 2"))
    write_records(committed, record())
    assert verify.verify(fresh, committed) == []


def test_value_at_the_tolerance_agrees(folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(fresh, record(values=[4.25, 4.0, 4.0], tolerance=0.25))
    write_records(committed, record(values=[4.0, 4.0, 4.0], tolerance=0.25))
    assert verify.verify(fresh, committed) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": [4.0, 4.1, 4.55]}, "toy-sum: SPLIT now, HOLDS committed"),
        ({"verdict": "UNTRIED"}, "toy-sum: UNTRIED now, HOLDS committed"),
        (
            {"values": [4.0, 4.1, 4.1]},
            "toy-sum: seed 1019: 4.1 now, 3.9 committed, tolerance 0.1",
        ),
        (
            {"values": [3.7, 4.1, 3.9]},
            "toy-sum: seed 1009: 3.7 now, 4 committed, tolerance 0.1",
        ),
        ({"high": 5.0}, "toy-sum: high: 5.0 now, 4.5 committed"),
        ({"chapter": "other"}, "toy-sum: chapter: 'other' now, 'toy' committed"),
        (
            {"seeds": SEEDS[1:4]},
            "toy-sum: seeds: [1013, 1019, 1021] now, [1009, 1013, 1019] committed",
        ),
    ],
)
def test_each_difference_is_named(
    changes: dict[str, object], said: str, folders: tuple[Path, Path]
):
    fresh, committed = folders
    write_records(fresh, record(**changes))
    write_records(committed, record())
    assert said in verify.verify(fresh, committed)


def test_committed_tolerance_decides(folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(fresh, record(values=[4.3, 4.1, 3.9], tolerance=9.0))
    write_records(committed, record())
    assert verify.verify(fresh, committed) == [
        "toy-sum: seed 1009: 4.3 now, 4 committed, tolerance 0.1",
        "toy-sum: tolerance: 9.0 now, 0.1 committed",
    ]


def test_missing_on_either_side(folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(fresh, record("toy-new"), record("toy-both"))
    write_records(committed, record("toy-old"), record("toy-both"))
    assert verify.verify(fresh, committed) == [
        "toy-new: measured, not committed",
        "toy-old: committed, not measured",
    ]


def test_nothing_measured_is_no_agreement(folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(committed, record())
    assert verify.verify(fresh, committed) == ["toy-sum: committed, not measured"]


@pytest.mark.parametrize("made", [True, False])
def test_nothing_committed_is_no_agreement(made: bool, folders: tuple[Path, Path]):
    fresh, committed = folders
    write_records(fresh, record())
    if made:
        committed.mkdir()
    said = f"{committed} must hold records, got none. Run make record."
    assert verify.verify(fresh, committed) == [said]


def test_exit_status_and_words(
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(sys, "argv", ["verify.py", *map(str, folders)])
    for folder in folders:
        write_records(folder, record(), record("toy-product"))
    assert verify.main() == 0
    assert capsys.readouterr().out == "2 verdicts confirmed, values in tolerance\n"
    write_records(folders[0], record(values=[9.0, 9.0, 9.0]))
    assert verify.main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "toy-sum: FAILS now, HOLDS committed\n" in captured.err
