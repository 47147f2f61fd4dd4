"""The scoreboard page and its headline, made from the records."""

import re
from collections import Counter
from pathlib import Path

import records
from notebook import NotebookError, printed_lines, read

from geomlib import claims
from geomlib.places import write_text

VERDICTS = ("HOLDS", "SPLIT", "FAILS", "UNTRIED")
INTRODUCTION = """# Scoreboard

Every claim of the book, as it was stated before it was run: what is measured, the
interval it must fall in, the value on each seed, and the verdict. **HOLDS** means that
enough seeds are inside (all of them, unless the criterion says otherwise), **FAILS** that
none is, **SPLIT** that some are. A claim that fails stays here; its chapter shows why.
"""


def headline(found: list[records.Record]) -> str:
    """Number of claims by verdict, in one sentence.

    >>> headline([{"verdict": "HOLDS"}, {"verdict": "FAILS"}, {"verdict": "HOLDS"}])
    '3 claims: 2 hold, 0 split, 1 fails.'
    """
    count = Counter(record["verdict"] for record in found)
    holds, split, fails = (count[verdict] for verdict in VERDICTS[:3])
    untried = f", {count['UNTRIED']} untried" if count["UNTRIED"] else ""
    noun = "claim" if len(found) == 1 else "claims"
    return (
        f"{len(found)} {noun}: {holds} {'holds' if holds == 1 else 'hold'}, "
        f"{split} {'splits' if split == 1 else 'split'}, "
        f"{fails} {'fails' if fails == 1 else 'fail'}{untried}."
    )


def title(notebook: Path) -> str:
    """First heading of a notebook."""
    for cell in read(notebook).cells:
        if heading := re.match(r"# (.+)", cell.source):
            return heading[1]
    raise NotebookError(f"{notebook.name} must begin with a heading.")


def in_order(notebook: Path, found: dict[str, records.Record]) -> list[records.Record]:
    """Records of one chapter, as the notebook judges them."""
    printed = "\n".join(printed_lines(read(notebook)))
    of_chapter = [r for r in found.values() if r["chapter"] == notebook.stem]
    return sorted(of_chapter, key=lambda record: printed.find(f" {record['claim']} "))


def rows(record: records.Record) -> list[str]:
    """One claim as the three cells of a list-table row."""
    source = record["source"]
    cited = source if source == "this book" else f"{{cite:t}}`{source}`"
    values = zip(record["seeds"], record["values"], strict=True)
    measured = ", ".join(f"{value:.3g}\u00a0({seed})" for seed, value in values)
    return [
        f"* - [{record['verdict']}]{{.verdict .{record['verdict'].lower()}}}",
        f"  - {record['statement']}",
        "",
        f"    *{record['quantity']}*: {claims.criterion(record)}. Source: {cited}.",
        f"  - {measured}",
    ]


def page(notebooks: list[Path], sizes: dict[str, dict[str, records.Record]]) -> str:
    """MyST text of the scoreboard.

    Args:
        notebooks: Executed chapters, in the book's order.
        sizes: Records of each size by claim.
    """
    every = [record for found in sizes.values() for record in found.values()]
    parts = [INTRODUCTION, f"**{headline(every)}**\n"]
    for path in notebooks:
        for size, found in sizes.items():
            of_chapter = in_order(path, found)
            if not of_chapter:
                continue
            devices = ", ".join(sorted({record["device"] for record in of_chapter}))
            parts += [
                f"## {title(path)}, {size} size\n",
                f"[Read the chapter](../notebooks/{path.name}) · run on: {devices} · "
                f"{headline(of_chapter)}\n",
                "```{list-table}\n:header-rows: 1\n:widths: 12 58 30\n:class: scoreboard\n",
                "* - Verdict\n  - Claim and criterion\n  - Measured (seed)",
                *("\n".join(rows(record)) for record in of_chapter),
                "```\n",
            ]
    return "\n".join(parts)


def update_readme(readme: Path, found: list[records.Record]) -> None:
    """Put the headline between the README's two markers."""
    begin, end = "<!-- headline -->", "<!-- /headline -->"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_end:
        raise NotebookError(f"{readme.name} must hold {begin} and {end}.")
    write_text(readme, f"{before}{begin}{headline(found)}{end}{after}")
