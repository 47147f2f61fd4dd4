"""Every letter in a formula is explained by the notation page, and proof that this bites.

The general table of `book/notation.md` holds for all pages. A table under a heading of the
third level holds for the pages that the heading links to. A row explains the letters that
stand in its first column before any equals sign, subscripts left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTATION = ROOT / "book" / "notation.md"
GREEK = re.compile(
    r"\\(?:(?:var)?(?:epsilon|theta|phi|pi|rho|sigma)|alpha|beta|gamma|delta|zeta|eta"
    r"|iota|kappa|lambda|mu|nu|xi|tau|upsilon|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi"
    r"|Sigma|Upsilon|Phi|Psi|Omega|ell)(?![A-Za-z])"
)
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(.*)")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)*?(?<!`)\1(?!`)", re.DOTALL)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$((?:(?!\n\s*\n)[^$])+)\$", re.DOTALL)
WORDS = (
    r"\\(?:text\w*|operatorname\*?|mathrm|mathsf|mathtt|begin|end|label|tag)"
    r"\s*(?:\{[^{}]*\}|[A-Za-z])"
)
# What looks like a letter and is none: words, sets and operators, differentials.
NO_LETTERS = re.compile(
    WORDS
    + r"|\\mathbb\s*(?:\{[A-Z]\}|[A-Z])"
    + r"|(?:\\\||\\rVert|\\Vert)_F(?![A-Za-z])"
    + r"|\\frac\s*\{\s*d(?:\^\d)?\s*\}\s*\{\s*d\s*(?=[A-Za-z\\])"
)
DIFFERENTIAL = re.compile(r"\\[,;!]\s*d\s*(?=\\?[A-Za-z])")
LINKED = re.compile(r"\]\((?:\.\./notebooks/)?(\w+)\.(?:ipynb|md)\)")


def without_code(text: str) -> str:
    """Markdown less code fences and code spans; what a directive holds stays."""
    kept, open_fences = [], []  # of each open fence: its ticks, and whether it is code
    for line in text.splitlines():
        match = FENCE.match(line)
        inside_code = bool(open_fences) and open_fences[-1][1]
        closes = match and not match[2] and open_fences and match[1] >= open_fences[-1][0]
        if closes:
            open_fences.pop()
        elif match and not inside_code:
            open_fences.append((match[1], not match[2].startswith("{")))
        elif not inside_code:
            kept.append(line)
    return CODE_SPAN.sub(" ", "\n".join(kept))


def formulas(text: str) -> list[str]:
    """Formulas of Markdown; an escaped dollar is a price."""
    plain = without_code(text).replace(r"\$", " ")
    return [display or inline for display, inline in FORMULA.findall(plain)]


def letters(formula: str) -> set[str]:
    """Latin and Greek letters of a formula, whatever hangs on them."""
    rest = NO_LETTERS.sub(" ", formula)
    if r"\int" in rest:
        rest = DIFFERENTIAL.sub(" ", rest)
    latin = re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", rest))
    return {*GREEK.findall(rest), *latin}


def used(text: str) -> set[str]:
    return {letter for formula in formulas(text) for letter in letters(formula)}


def explained(cell: str) -> set[str]:
    """Letters that the first column of a row explains."""
    heads = (formula.partition("=")[0] for formula in formulas(cell))
    subscript = re.compile(r"_\s*(?:\{[^{}]*\}|\\[A-Za-z]+|\w)")
    return {letter for head in heads for letter in letters(subscript.sub(" ", head))}


@dataclass(frozen=True)
class Table:
    """One table of the notation: the pages that it is for, its rows, its text."""

    pages: tuple[str, ...]  # none: for all
    rows: tuple[frozenset[str], ...]
    text: str

    @property
    def letters(self) -> frozenset[str]:
        return frozenset().union(*self.rows)


def tables(text: str) -> list[Table]:
    """Tables of the notation page; the first is the general one."""
    body = text.partition("## Notation\n")[2].partition("\n## ")[0]
    found = []
    for part in re.split(r"^### ", body, flags=re.MULTILINE):
        heading = "" if not found else part.partition("\n")[0]
        cells = re.findall(r"^\| *(.*?) +\|", part, re.MULTILINE)
        rows = (frozenset(explained(cell)) for cell in cells)
        pages = tuple(LINKED.findall(heading))
        found.append(Table(pages, tuple(row for row in rows if row), part))
    return found


def unexplained(page: str, text: str, known: list[Table]) -> set[str]:
    """Letters of a page that no table for it explains."""
    there = [table for table in known if not table.pages or page in table.pages]
    return used(text) - frozenset().union(*(table.letters for table in there))


def unused(table: Table, texts: dict[str, str]) -> set[tuple[str, str]]:
    """Letters, and the page named by the table's heading that has none of them."""
    found = {page: used(texts[page]) for page in table.pages}
    return {
        (page, letter)
        for page in table.pages
        for letter in table.letters
        if letter not in found[page]
    }


def notebook_text(path: Path) -> str:
    """Prose of a notebook, captions included."""
    notebook = nbformat.read(path, as_version=4)
    figures = (c.metadata.get("mystnb", {}).get("figure", {}) for c in notebook.cells)
    captions = [figure["caption"] for figure in figures if "caption" in figure]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join([*prose, *captions])


def page_texts() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        yield path.stem, notebook_text(path)
    for path in sorted((ROOT / "book").glob("*.md")):
        yield path.stem, path.read_text(encoding="utf-8")


TEXTS = dict(page_texts())
TABLES = tables(NOTATION.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [name for name in TEXTS if name != NOTATION.stem])
def test_every_letter_of_a_page_is_explained(page: str):
    assert sorted(unexplained(page, TEXTS[page], TABLES)) == []


@pytest.mark.parametrize("table", TABLES[1:], ids=lambda table: "+".join(table.pages))
def test_tables_of_chapters_name_pages_that_use_every_letter(table: Table):
    assert table.pages, f"no link in the heading: {table.text[:60]}"
    assert set(table.pages) <= set(TEXTS)
    assert sorted(unused(table, TEXTS)) == []


def test_general_letters_are_used_on_several_pages():
    counts = {
        letter: sum(letter in used(text) for text in TEXTS.values())
        for letter in TABLES[0].letters
    }
    # The notation page itself is one of them.
    assert [letter for letter, count in sorted(counts.items()) if count < 3] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: "+".join(table.pages))
def test_explanations_use_letters_that_are_explained(table: Table):
    wider = (other for other in TABLES if set(other.pages) > set(table.pages))
    known = table.letters.union(TABLES[0].letters, *(other.letters for other in wider))
    assert sorted(used(table.text) - known) == []


def test_no_table_explains_a_letter_twice_in_the_same_form():
    for table in TABLES:
        cells = re.findall(r"^\| *(.*?) +\|", table.text, re.MULTILINE)
        forms = [form for cell in cells for form in formulas(cell)]
        assert len(set(forms)) == len(forms), table.pages


SYNTHETIC = r"""# Notation

## Notation

| symbol | meaning |
|---|---|
| $h = f(x)$ | representation |
| $i, j$ | indices |

### In [a chapter](../notebooks/one.ipynb)

| symbol | meaning |
|---|---|
| $\alpha_j$ | a weight |

## Glossary
"""


def test_an_undefined_letter_is_reported():
    known = tables(SYNTHETIC)
    assert unexplained("one", r"With $\alpha_i h$ and $q$.", known) == {"q"}
    assert unexplained("one", r"$$\beta_j = \alpha_j$$", known) == {r"\beta"}
    # In the formula of a row f and x are used, not explained.
    assert unexplained("one", "$f(x)$", known) == {"f", "x"}


def test_a_table_holds_for_the_pages_of_its_heading_alone():
    known = tables(SYNTHETIC)
    assert [table.pages for table in known] == [(), ("one",)]
    assert unexplained("two", r"$\alpha_i h_j$", known) == {r"\alpha"}


def test_a_dead_row_is_reported():
    chapter = tables(SYNTHETIC)[1]
    assert unused(chapter, {"one": "$h$"}) == {("one", r"\alpha")}
    assert unused(chapter, {"one": r"$\alpha$"}) == set()


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (r"\operatorname{tr} G \ge \mathbb E\, z", "G z"),
        (r"q_{\text{aug}} + \mathbb{R}^n", "q n"),
        (r"\int \dot x^\top G(x)\, dx", "x G"),
        (r"\frac{d}{dt} \lVert w \rVert^2", "t w"),
        (r"a\, d", "a d"),
        (r"\lambda_{\max} \log \sin\varphi", r"\lambda \varphi"),
        (r"\begin{pmatrix} 0 & 1 \end{pmatrix} \hat h \bar{\mathbf z}", "h z"),
        (r"\text{the weight after } l \text{ is } w^{l/L}", "l w L"),
    ],
)
def test_words_and_operators_are_no_letters(formula: str, expected: str):
    assert letters(formula) == set(expected.split())


def test_code_and_prices_are_no_formulas():
    text = "`$a$` and ``$b$``, \\$5 or \\$6\n\n```python\ncost = '$c$'\n```\n\n$h$"
    assert formulas(text) == ["h"]
    folded = "````{dropdown} Solution\n$p$\n\n```python\n'$c$'\n```\n\n$q$\n````\n$r$"
    assert formulas(folded) == ["p", "q", "r"]


def test_a_row_explains_what_stands_before_the_equals_sign():
    assert explained(r"$K = \Sigma^{-1/2} C$") == {"K"}
    assert explained(r"$W$, $W_u$") == {"W"}
    assert explained(r"$q_i, \gamma_{ij}$") == {"q", r"\gamma"}
