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
The last column is the verdict of the same claim at the larger size `gpu`, where that has
been run.
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


def badge(record: records.Record) -> str:
    """Verdict of a record, coloured."""
    return f"[{record['verdict']}]{{.verdict .{record['verdict'].lower()}}}"


def label(record: records.Record) -> str:
    """Name of the place where a record stands on the scoreboard."""
    size = record["size"]
    return record["claim"] if size == "cpu" else f"{record['claim']}-{size}"


def with_verdicts(page: str, found: dict[str, records.Record], name: str) -> str:
    """A page's text with each ``{verdict}`claim``` replaced by the verdict and a link.

    ``{headline}`` becomes the number of claims by verdict.

    Args:
        page: Its text.
        found: Records by claim.
        name: Of the page, for errors.

    Raises:
        NotebookError: A claim has no record.
    """

    def shown(match: re.Match[str]) -> str:
        if match[1] not in found:
            raise NotebookError(
                f"{name}: verdict must name a recorded claim, got {match[1]!r}. "
                "Record it, or take it off the page."
            )
        record = found[match[1]]
        return f"{badge(record)}\u00a0[{record['claim']}](#{label(record)})"

    page = page.replace("{headline}", headline(list(found.values())))
    return re.sub(r"\{verdict\}`([^`]*)`", shown, page)


def rows(record: records.Record) -> list[str]:
    """One claim as the first three cells of a list-table row."""
    source = record["source"]
    cited = source if source == "this book" else f"{{cite:t}}`{source}`"
    values = zip(record["seeds"], record["values"], strict=True)
    measured = ", ".join(f"{value:.3g}\u00a0({seed})" for seed, value in values)
    return [
        f"* - {badge(record)}",
        f"  - ({label(record)})=",
        f"    {record['statement']}",
        "",
        f"    *{record['quantity']}*: {claims.criterion(record)}. Source: {cited}. "
        f"`{record['claim']}`",
        f"  - {measured}",
    ]


def table(
    notebook: Path,
    size: str,
    of_chapter: list[records.Record],
    gpu: dict[str, records.Record] | None,
) -> list[str]:
    """Records of one chapter at one size.

    Args:
        notebook: The chapter.
        size: Size of the records.
        of_chapter: The records, in the chapter's order.
        gpu: Records of size ``gpu`` by claim, for a column of their verdicts; None leaves
            the column out.
    """
    devices = ", ".join(sorted({record["device"] for record in of_chapter}))
    widths, heads = "12 58 30", ["Verdict", "Claim and criterion", "Measured (seed)"]
    if gpu is not None:
        widths, heads = "11 50 27 12", [*heads, "gpu"]
    parts = [
        f"## {title(notebook)}, {size} size\n",
        f"[Read the chapter](../notebooks/{notebook.name}) · run on: {devices} · "
        f"{headline(of_chapter)}\n",
        f"```{{list-table}}\n:header-rows: 1\n:widths: {widths}\n:class: scoreboard\n",
        "* - " + "\n  - ".join(heads),
    ]
    for record in of_chapter:
        parts += rows(record)
        if gpu is not None:
            large = gpu.get(record["claim"])
            parts.append(f"  - {badge(large) if large else 'not run'}")
    return [*parts, "```\n"]


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
            if of_chapter := in_order(path, found):
                beside = None if size == "gpu" else sizes.get("gpu", {})
                parts += table(path, size, of_chapter, beside)
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
