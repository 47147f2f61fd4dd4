"""Claims: every verdict, every refusal, and a record that says what was printed."""

import json
import math
import time
from pathlib import Path

import pytest
import torch

from geomlib.claims import Claim, criterion, judge, line, stated, verdict
from geomlib.sizes import Run

# The record's keys, as the design lists them.
KEYS = [
    "claim",
    "chapter",
    "source",
    "statement",
    "quantity",
    "low",
    "high",
    "at_least",
    "tolerance",
    "seeds",
    "values",
    "verdict",
    "size",
    "device",
    "versions",
    "seconds",
]


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GEOMLIB_RESULTS", str(tmp_path))
    return tmp_path


def claim(**changes) -> Claim:
    """Claim that a share lies in [0, 1]."""
    fields = {
        "id": "a-claim",
        "source": "this book",
        "statement": "A share is a share.",
        "quantity": "a share",
        "tolerance": 0.1,
        "low": 0.0,
        "high": 1.0,
    }
    return Claim(**{**fields, **changes})


def a_run(seeds=(7, 8, 9), **changes) -> Run:
    fields = {
        "chapter": "demo",
        "size": "cpu",
        "overrides": {},
        "settings": {"steps": 1},
        "device": torch.device("cpu"),
        "started": time.monotonic(),
    }
    return Run(seeds=seeds, **{**fields, **changes})


def read(results: Path, size: str = "cpu") -> dict:
    """The record of a-claim, refusing the constants that JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (results / size / "a-claim.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse)


# Verdicts.


@pytest.mark.parametrize(
    ("values", "at_least", "expected"),
    [
        ([0.0, 0.5, 1.0], 1.0, "HOLDS"),  # the bounds are inside
        ([0.5, 0.5, 2.0], 1.0, "SPLIT"),
        ([0.5, 0.5, 2.0], 2 / 3, "HOLDS"),
        ([0.5, -1.0, 2.0], 2 / 3, "SPLIT"),
        ([-1.0, 2.0, 1.0 + 1e-9], 1 / 3, "FAILS"),
    ],
)
def test_verdict_by_the_share_of_seeds_inside(values, at_least, expected, results):
    judge(claim(at_least=at_least), dict(zip((7, 8, 9), values, strict=True)), a_run())
    assert read(results)["verdict"] == expected


@pytest.mark.parametrize("total", [3, 5, 7, 10, 30])
def test_a_share_that_is_met_exactly_holds(total):
    for wanted in range(1, total + 1):
        for inside in range(total + 1):
            values = [1.0] * inside + [-1.0] * (total - inside)
            record = {"low": 0, "high": None, "at_least": wanted / total, "values": values}
            assert (verdict(record) == "HOLDS") == (inside >= wanted)
            assert (verdict(record) == "FAILS") == (inside == 0)


def test_a_share_is_met_exactly_whatever_its_rounding():
    values = [1.0] * 3 + [-1.0] * 7
    record = {"low": 0, "high": None, "at_least": 0.1 + 0.2, "values": values}
    assert record["at_least"] > 0.3
    assert verdict(record) == "HOLDS"


@pytest.mark.parametrize("changes", [{"size": "smoke"}, {"overrides": {"steps": 2}}])
def test_a_smoke_run_and_a_changed_run_are_untried(changes, results):
    run = a_run(**changes)
    judge(claim(), {7: 0.5, 8: 0.5, 9: 0.5}, run)
    assert read(results, run.size)["verdict"] == "UNTRIED"


def test_the_single_seed_of_a_smoke_run_is_enough(results):
    judge(claim(), {7: 0.5}, a_run(seeds=(7,), size="smoke"))
    assert read(results, "smoke")["seeds"] == [7]


@pytest.mark.parametrize(
    ("low", "high", "at_least", "words"),
    [
        (None, 1.5, 1.0, "at most 1.5"),
        (0.0, None, 1.0, "at least 0"),
        (1.0, 1.0, 1.0, "exactly 1"),
        (-1.0, 2.0, 0.6, "-1 to 2 on 60% of seeds"),
    ],
)
def test_criterion_in_words(low, high, at_least, words):
    assert criterion({"low": low, "high": high, "at_least": at_least}) == words


# Records.


def test_record_has_the_keys_of_the_design_and_no_infinity(results):
    judge(claim(low=None, at_least=0.5), {7: 1 / 3, 8: -1e-300, 9: 2.0}, a_run())
    record = read(results)
    assert sorted(record) == sorted(KEYS)
    assert record["low"] is None
    assert record["high"] == 1.0
    assert record["values"] == [1 / 3, -1e-300, 2.0]
    assert (record["claim"], record["chapter"], record["size"]) == (
        "a-claim",
        "demo",
        "cpu",
    )
    assert record["versions"]["torch"] == torch.__version__
    assert 0 <= record["seconds"] < 60


def test_the_printed_line_can_be_recomputed_from_the_file(results, capsys):
    judge(claim(low=1 / 3, at_least=2 / 3), {7: 1 / 3, 8: 1e-9, 9: 2 / 7}, a_run())
    printed = capsys.readouterr().out
    assert printed == line(read(results)) + "\n"
    for part in ("SPLIT", "a-claim", "0.333333 to 1", "1 of 3", "0.333 1e-09 0.286"):
        assert part in printed


def test_a_gpu_is_named(monkeypatch, results):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    judge(claim(), {7: 0.5}, a_run(seeds=(7,), size="gpu", device=torch.device("cuda")))
    assert read(results, "gpu")["device"] == "Tesla T4"


def test_a_failed_write_leaves_the_old_record_whole(monkeypatch, results):
    judge(claim(), {7: 0.5, 8: 0.5, 9: 0.5}, a_run())
    before = read(results)

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        judge(claim(), {7: 2.0, 8: 2.0, 9: 2.0}, a_run())
    assert read(results) == before
    assert [path.name for path in (results / "cpu").iterdir()] == ["a-claim.json"]


# What is refused.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "A claim"}, "id must be lower-case words joined by hyphens, got 'A claim'"),
        ({"id": "a--claim"}, "id must be lower-case words"),
        ({"id": "a-claim\n"}, "id must be lower-case words"),
        ({"id": "../claim"}, "id must be lower-case words"),
        ({"low": None, "high": None}, "a-claim: low or high must be given and finite"),
        ({"low": -math.inf}, "given and finite .* got low=-inf, high=1.0"),
        ({"high": math.nan}, "given and finite .* got low=0.0, high=nan"),
        ({"low": 2.0}, r"a-claim: low must not exceed high, got 2.0 > 1.0"),
        ({"at_least": 0.0}, r"a-claim: at_least must be in \(0, 1\], got 0.0"),
        ({"at_least": 1.1}, "at_least must be in"),
        ({"at_least": math.nan}, "at_least must be in"),
        ({"tolerance": 0.0}, "a-claim: tolerance must be a finite number above 0, got 0.0"),
        ({"tolerance": math.inf}, "tolerance must be a finite number above 0, got inf"),
    ],
)
def test_refuses_a_claim_that_cannot_be_judged(changes, message):
    with pytest.raises(ValueError, match=message):
        claim(**changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_a_value_that_is_not_finite(value, results):
    message = f"a-claim: every measured value must be finite, got {value} at seed 8"
    with pytest.raises(ValueError, match=message):
        judge(claim(), {7: 0.5, 8: value, 9: 0.5}, a_run())
    assert not list(results.rglob("*"))


@pytest.mark.parametrize(
    "seeds",
    [
        (),
        (1, 2),  # too few
        (2, 3, 4),  # the first left out
        (1, 2, 4),
        (1, 3, 2),
        (1, 2, 3, 4, 5, 6),
    ],
)
def test_refuses_seeds_left_out_reordered_or_added(seeds, results):
    with pytest.raises(ValueError, match=r"run's seeds \[1, 2, 3, 4, 5\].* got \["):
        judge(claim(), dict.fromkeys(seeds, 0.5), a_run(seeds=(1, 2, 3, 4, 5)))
    assert not list(results.rglob("*"))


@pytest.mark.parametrize("num", [3, 4, 5])
def test_the_first_three_seeds_or_more_are_enough(num, results):
    seeds = (1, 2, 3, 4, 5)
    judge(claim(), dict.fromkeys(seeds[:num], 0.5), a_run(seeds=seeds))
    assert read(results)["seeds"] == list(seeds[:num])


def test_refuses_one_id_in_two_chapters(results):
    judge(claim(), {7: 0.5, 8: 0.5, 9: 0.5}, a_run())
    with pytest.raises(ValueError, match=r"a-claim: id must be unique .* chapter demo has"):
        judge(claim(), {7: 0.5, 8: 0.5, 9: 0.5}, a_run(chapter="other"))
    assert read(results)["chapter"] == "demo"


WORDS = {
    "at least 2": (2.0, None),
    "at most -1.5e-3": (None, -1.5e-3),
    "exactly 1": (1.0, 1.0),
    "0.99 to 1.01": (0.99, 1.01),
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("share", [1.0, 0.8])
def test_stated_reads_what_a_claim_prints(words: str, share: float):
    said = words if share == 1 else f"{words} on 80% of seeds"
    text = f"one-two: It holds.\n    a ratio, of a to b: {said}, ± 0.25"
    found = stated("demo", text)["one-two"]
    low, high = WORDS[words]
    assert found == claim(
        id="demo-one-two",
        statement="It holds.",
        quantity="a ratio, of a to b",
        tolerance=0.25,
        low=low,
        high=high,
        at_least=share,
    )
    assert criterion({"low": low, "high": high, "at_least": share}).startswith(words[:7])


def test_stated_reads_sources_and_groups():
    one = "a (chaudhry2026): One.\n  q: at least 1, ± 1\n"
    two = "b: Two: it is.\n  q: at most 1, ± 1\n"
    text = f"\n{one}\n\n{two}"
    found = stated("demo", text)
    assert [found[name].source for name in "ab"] == ["chaudhry2026", "this book"]
    assert found["b"].statement == "Two: it is."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: One.", "two lines a claim.*got 'a: One.' and ''"),
        ("a: One.\n  q: at least 1", "two lines a claim"),
        ("a: One.\n  q: above 1, ± 1", "two lines a claim"),
        ("a: One.\nq: at least 1, ± 1", "two lines a claim"),
        ("a: One.\n  q: at least one, ± 1", "two lines a claim"),
        ("a: One.\n  q: 2 to 1, ± 1", "low must not exceed high"),
        ("a: 1.\n  q: exactly 1, ± 1\na: 1.\n  q: exactly 1, ± 1", "unique, got 'a' twice"),
    ],
)
def test_stated_refuses_what_is_no_claim(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        stated("demo", text)
