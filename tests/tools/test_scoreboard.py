"""The scoreboard shows every record as it is, and the README says the same."""

import re
from pathlib import Path

import pytest
import records
import scoreboard
from build_book import chapters
from notebook import NotebookError
from toy_notebooks import SEEDS, executed, record, toy, write

from geomlib import claims

ROOT = Path(__file__).parents[2]
HOLDS = record(source="euclid300")
SPLIT = record("toy-product", values=[4.0, 9.0, 9.0], statement="Two times two is four.")
FAILS = record(
    "toy-power",
    values=[0.000123456, 1e6, 9.0],
    statement="Two to the two is four.",
    at_least=0.6,
)


def by_claim(*found: records.Record) -> dict[str, records.Record]:
    return {each["claim"]: each for each in found}


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    """An executed chapter that judges the power first and the sum last."""
    lines = "\n".join(map(claims.line, (FAILS, SPLIT, HOLDS)))
    return write(tmp_path / "toy.ipynb", executed(toy("judge()"), lines))


def table(page: str) -> list[list[str]]:
    """Cells of the page's one table, row by row, without their indents."""
    body = page.split("```{list-table}")[1].split("```")[0]
    rows = re.split(r"^\* - ", body, flags=re.MULTILINE)[1:]
    return [re.split(r"\n  - ", row.strip()) for row in rows]


def test_page_shows_what_each_record_says(chapter: Path):
    page = scoreboard.page([chapter], {"cpu": by_claim(HOLDS, SPLIT, FAILS)})
    head, *rows = table(page)
    assert head == ["Verdict", "Claim and criterion", "Measured (seed)", "gpu"]
    # In the order of the chapter; a claim that fails stays, with its values.
    assert [row[0] for row in rows] == [
        "[FAILS]{.verdict .fails}",
        "[SPLIT]{.verdict .split}",
        "[HOLDS]{.verdict .holds}",
    ]
    said, measured = rows[0][1:3]
    assert said.split("\n\n") == [
        "(toy-power)=\n    Two to the two is four.",
        "    *sum, in apples*: 3.5 to 4.5 on 60% of seeds. Source: this book. `toy-power`",
    ]
    assert measured == "0.000123\u00a0(1009), 1e+06\u00a0(1013), 9\u00a0(1019)"
    assert rows[2][1].endswith("Source: {cite:t}`euclid300`. `toy-sum`")
    assert rows[2][2] == "4\u00a0(1009), 4.1\u00a0(1013), 3.9\u00a0(1019)"


def test_column_has_the_verdict_at_gpu_size_or_says_that_it_was_not_run(chapter: Path):
    large = HOLDS | {"size": "gpu", "verdict": "SPLIT", "values": [4.0, 9.0, 9.0]}
    for gpu, last in (
        ({}, "not run"),
        ({"gpu": by_claim(large)}, "[SPLIT]{.verdict .split}"),
    ):
        page = scoreboard.page([chapter], {"cpu": by_claim(HOLDS, FAILS), **gpu})
        head, *rows = table(page)
        assert head[3] == "gpu"
        assert [row[3] for row in rows] == ["not run", last]
        # What is shown at size cpu stays what was measured there.
        assert rows[1][2] == "4\u00a0(1009), 4.1\u00a0(1013), 3.9\u00a0(1019)"
    # The larger size has a table of its own, with its values and without that column.
    own = page.split("## A toy, gpu size")[1]
    head, row = table(own)
    assert head == ["Verdict", "Claim and criterion", "Measured (seed)"]
    assert row[2] == "4\u00a0(1009), 9\u00a0(1013), 9\u00a0(1019)"


def test_every_committed_claim_stands_on_the_scoreboard_under_its_name():
    found = records.load(ROOT / "results" / "cpu")
    page = scoreboard.page(chapters(ROOT), {"cpu": found})
    assert sorted(re.findall(r"\(([\w-]+)\)=", page)) == sorted(found)


def test_verdicts_on_a_page_are_those_of_the_records():
    page = "It is so {verdict}`toy-sum`, or not {verdict}`toy-power`."
    assert scoreboard.with_verdicts(page, by_claim(HOLDS, FAILS), "x.md") == (
        "It is so [HOLDS]{.verdict .holds}\u00a0[toy-sum](#toy-sum), "
        "or not [FAILS]{.verdict .fails}\u00a0[toy-power](#toy-power)."
    )
    with pytest.raises(
        NotebookError, match=r"x.md: verdict must name .* got 'toy-product'. Record it"
    ):
        scoreboard.with_verdicts("{verdict}`toy-product`", by_claim(HOLDS), "x.md")


def test_a_page_may_ask_for_the_headline():
    page = scoreboard.with_verdicts("**{headline}** So.", by_claim(HOLDS, FAILS), "x.md")
    assert page == "**2 claims: 1 holds, 0 split, 1 fails.** So."


def test_page_links_to_the_chapter_and_names_the_device(chapter: Path):
    found = by_claim(HOLDS, SPLIT | {"device": "a GPU"})
    page = scoreboard.page([chapter], {"cpu": found})
    assert "## A toy, cpu size\n" in page
    assert "[Read the chapter](../notebooks/toy.ipynb) · run on: a GPU, cpu · " in page
    assert "· 2 claims: 1 holds, 1 splits, 0 fail.\n" in page
    assert "**2 claims: 1 holds, 1 splits, 0 fail.**" in page


def test_page_shows_each_size_and_every_chapter(tmp_path: Path, chapter: Path):
    other = write(tmp_path / "other.ipynb", toy())
    there = record("other-claim", chapter="other")
    sizes = {"cpu": by_claim(HOLDS, there), "gpu": by_claim(HOLDS | {"size": "gpu"})}
    page = scoreboard.page([chapter, other], sizes)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "A toy, cpu size",
        "A toy, gpu size",
        "A toy, cpu size",
    ]
    assert page.index("notebooks/toy.ipynb") < page.index("notebooks/other.ipynb")


def test_untried_claims_are_shown(chapter: Path):
    untried = HOLDS | {"verdict": "UNTRIED", "seeds": SEEDS[:1], "values": [4.0]}
    page = scoreboard.page([chapter], {"smoke": by_claim(untried)})
    assert "[UNTRIED]{.verdict .untried}" in page
    assert "**1 claim: 0 hold, 0 split, 0 fail, 1 untried.**" in page


def test_record_with_a_value_missing_is_refused(chapter: Path):
    with pytest.raises(ValueError, match="zip"):
        scoreboard.page([chapter], {"cpu": by_claim(HOLDS | {"values": [4.0]})})


def test_chapter_must_have_a_title(tmp_path: Path):
    notebook = toy()
    notebook.cells[0].source = "A toy"
    path = write(tmp_path / "toy.ipynb", notebook)
    with pytest.raises(NotebookError, match=r"toy\.ipynb must begin with a heading"):
        scoreboard.title(path)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0, 0), "0 claims: 0 hold, 0 split, 0 fail."),
        ((1, 0, 0, 0), "1 claim: 1 holds, 0 split, 0 fail."),
        ((0, 1, 0, 0), "1 claim: 0 hold, 1 splits, 0 fail."),
        ((0, 0, 1, 0), "1 claim: 0 hold, 0 split, 1 fails."),
        ((2, 2, 2, 0), "6 claims: 2 hold, 2 split, 2 fail."),
        ((1, 1, 1, 1), "4 claims: 1 holds, 1 splits, 1 fails, 1 untried."),
        ((0, 0, 0, 2), "2 claims: 0 hold, 0 split, 0 fail, 2 untried."),
    ],
)
def test_headline_is_a_sentence(counts: tuple[int, ...], said: str):
    found = [
        {"verdict": verdict}
        for verdict, count in zip(scoreboard.VERDICTS, counts, strict=True)
        for _ in range(count)
    ]
    assert scoreboard.headline(found) == said


def test_readme_gets_the_headline_and_nothing_else(tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text("# Sums\n\n<!-- headline -->old\nwords<!-- /headline -->\n\nEnd\n")
    scoreboard.update_readme(readme, [HOLDS, SPLIT, FAILS])
    said = "3 claims: 1 holds, 1 splits, 1 fails."
    wanted = f"# Sums\n\n<!-- headline -->{said}<!-- /headline -->\n\nEnd\n"
    assert readme.read_text() == wanted
    scoreboard.update_readme(readme, [HOLDS, SPLIT, FAILS])
    assert readme.read_text() == wanted


@pytest.mark.parametrize(
    "text",
    ["# Sums\n", "<!-- headline -->\n", "<!-- /headline --> <!-- headline -->\n"],
)
def test_readme_without_its_markers_is_refused(text: str, tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(NotebookError, match=r"README\.md must hold <!-- headline -->"):
        scoreboard.update_readme(readme, [HOLDS])
    assert readme.read_text() == text


def test_readme_says_what_the_committed_records_say():
    found = list(records.load(ROOT / "results" / "cpu").values())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- headline -->(.*?)<!-- /headline -->", text, re.DOTALL)
    wanted = scoreboard.headline(found)
    # Before the first run is kept, there is nothing to say.
    assert shown == [wanted] or (shown == [""] and not found)
