"""Rules that every committed notebook and record keeps, and proof that they bite.

A rule takes a notebook and its path and returns what is wrong with it, one line each. The
second half breaks a small synthetic book in one place at a time: each break is caught.
"""

import ast
import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import records
from build_book import chapters
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook import NotebookError, code_cells, parameters, printed_lines, tags
from scoreboard import headline

from geomlib import claims

ROOT = Path(__file__).parents[1]
SEEDS = [1009, 1013, 1019, 1021, 1031]
PARAMETERS = {"size": "auto", "seeds": SEEDS, "overrides": {}}
CRITERION = ["quantity", "low", "high", "at_least", "tolerance"]
MEASURED = ["seeds", "values", "verdict", "size", "device", "versions", "seconds"]
RECORD_KEYS = ["claim", "chapter", "source", "statement", *CRITERION, *MEASURED]
VERDICT_LINE = re.compile(r"\s*(HOLDS|SPLIT|FAILS|UNTRIED)\b\s*([^\s:]*)")
# Differs from machine to machine or run to run: a path, an address, a time, a speed.
UNSTABLE = re.compile(
    r"(?<![\w.:/])/[\w.-]+/|\b[A-Z]:\\|0x[0-9a-f]{6,}|Wall time|it/s|s/it|\b\d+:\d\d\b"
    r"|\b\d+(\.\d+)? ?(ns|us|µs|ms|s|sec|secs|seconds|min|minutes|hours)\b"
)

Rule = Callable[[NotebookNode, Path], list[str]]


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def headings(notebook: NotebookNode, level: int) -> list[str]:
    fenced = re.compile(r"^(`{3,})[^\n]*\n.*?^\1", re.DOTALL | re.MULTILINE)
    text = fenced.sub("", prose(notebook))
    return re.findall(rf"^#{{{level}}} +(.+)$", text, re.MULTILINE)


def nodes(cell: NotebookNode) -> list[ast.AST]:
    """Syntax of a cell; nothing where it is not plain Python."""
    return [] if syntax_error(cell) else list(ast.walk(ast.parse(cell.source)))


def syntax_error(cell: NotebookNode) -> str:
    try:
        ast.parse(cell.source)
    except SyntaxError as error:
        return str(error)
    return ""


def calls(cell: NotebookNode, name: str) -> list[ast.Call]:
    """Calls of a function by its last name."""
    found = [node for node in nodes(cell) if isinstance(node, ast.Call)]
    return [
        call
        for call in found
        if name in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))
    ]


def code_lines(cell: NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def output_texts(notebook: NotebookNode) -> Iterator[str]:
    """Words that the outputs show; tags and scripts of HTML are none."""
    hidden = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "text" in output:
                yield output.text
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield hidden.sub(" ", data) if kind == "text/html" else data


def valid_format(notebook: NotebookNode, path: Path) -> list[str]:
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [str(error)]
    return []


def named_by_concept(notebook: NotebookNode, path: Path) -> list[str]:
    wrong = []
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", path.stem):
        wrong.append(f"the name must be lower-case words, no number first: {path.stem}")
    if path not in chapters(path.parents[1]):
        wrong.append(f"{path.stem} must be in _toc.yml")
    return wrong


def standard_parameters(notebook: NotebookNode, path: Path) -> list[str]:
    try:
        found = parameters(notebook, path.name)
    except NotebookError as error:
        return [str(error)]
    return [] if found == PARAMETERS else [f"parameters must be {PARAMETERS}, got {found}"]


def chooses_its_own_size(notebook: NotebookNode, path: Path) -> list[str]:
    found = [call for cell in code_cells(notebook) for call in calls(cell, "choose")]
    names = [ast.unparse(call.args[0]) for call in found if call.args]
    return [] if names == [repr(path.stem)] else [f"sizes.choose must name {path.stem}"]


def no_failed_output(notebook: NotebookNode, path: Path) -> list[str]:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    errors = [o.ename for o in outputs if o.output_type == "error"]
    return errors + [o.text for o in outputs if o.get("name") == "stderr"]


def stable_output(notebook: NotebookNode, path: Path) -> list[str]:
    found = [UNSTABLE.search(text) for text in output_texts(notebook)]
    wrong = [f"unstable output: {match[0]}" for match in found if match]
    for part in (notebook, *notebook.cells):
        timed = part.metadata.keys() & {"papermill", "execution", "ExecuteTime"}
        wrong += [f"metadata of one run: {key}" for key in timed]
    return wrong


def counted_in_order(notebook: NotebookNode, path: Path) -> list[str]:
    cells = code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    if counts == list(range(1, len(cells) + 1)):
        return []
    bare = all(c.execution_count is None and not c.outputs for c in cells)
    return [] if bare else [f"execution counts must be 1 to {len(cells)}: {counts}"]


def checked_cells_compare(notebook: NotebookNode, path: Path) -> list[str]:
    """Nbval compares nothing, and says nothing, where the count or the output is gone."""
    return [
        f"a checked cell must have a count and an output: {cell.source[:40]}"
        for cell in code_cells(notebook)
        if "nbval-check-output" in tags(cell) or "NBVAL_CHECK_OUTPUT" in cell.source
        if cell.execution_count is None or not cell.outputs
    ]


def short_cells(notebook: NotebookNode, path: Path) -> list[str]:
    cells = code_cells(notebook)
    return [f"over 25 lines: {c.source[:40]}" for c in cells if len(code_lines(c)) > 25]


def six_words_a_line(notebook: NotebookNode, path: Path) -> list[str]:
    """Words of Markdown against lines of code.

    A word begins with a letter; formulas, link targets and blocks of code are left out.
    A line of code is neither blank nor a comment alone; cells tagged setup or parameters
    are left out.
    """
    text = re.sub(r"```(python|bash|text)\n.*?```", "", prose(notebook), flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    num_words = len(re.findall(r"\b[^\W\d_][\w'’-]*", text))
    num_lines = sum(
        not line.lstrip().startswith("#")
        for cell in code_cells(notebook)
        if not {"setup", "parameters"} & set(tags(cell))
        for line in code_lines(cell)
    )
    if num_words >= 6 * num_lines:
        return []
    return [f"at least 6 words of prose a line of code: {num_words} for {num_lines}"]


def figures_are_described(notebook: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for cell in code_cells(notebook):
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        if any(kind.startswith("image/") for kind in kinds):
            said = cell.metadata.get("mystnb", {})
            alt = said.get("image", {}).get("alt", "")
            if len(alt.split()) < 8:
                wrong.append(f"alt text of at least 8 words: {cell.source[:40]}")
            missing = {"caption", "name"} - said.get("figure", {}).keys()
            wrong += [f"figure needs a {part}: {cell.source[:40]}" for part in missing]
        for page in (
            output.get("data", {}).get("text/html", "") for output in cell.outputs
        ):
            for image in re.findall(r"<img\b[^>]*>", page):
                alt = re.search(r'\balt="([^"]*)"', image)
                if alt is None or len(alt[1].split()) < 8:
                    wrong.append(f"alt text of at least 8 words: {image[:40]}")
    return wrong


def plain_code(notebook: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for cell in code_cells(notebook):
        if error := syntax_error(cell):
            wrong.append(f"plain Python, no magics: {error}: {cell.source[:40]}")
        if calls(cell, "get_ipython"):
            wrong.append(f"no magics: {cell.source[:40]}")
        if any(isinstance(node, ast.Try | ast.TryStar) for node in nodes(cell)):
            wrong.append(f"no try: {cell.source[:40]}")
    return wrong


def headed_in_order(notebook: NotebookNode, path: Path) -> list[str]:
    wrong = []
    if len(headings(notebook, 1)) != 1 or not notebook.cells[0].source.startswith("# "):
        wrong.append("the first cell must begin with the one heading of level 1")
    found = headings(notebook, 2)
    if found[:1] != ["Overview"]:
        wrong.append(f"the first section must be Overview: {found}")
    last = ["Where it stops holding", "Exercises", "References"]
    if [heading for heading in found if heading in last] != last:
        wrong.append(f"{', '.join(last)} must follow in this order: {found}")
    return wrong


def opens_with_its_answer(notebook: NotebookNode, path: Path) -> list[str]:
    """A chapter with records begins with what they say, and the count is theirs."""
    found = records.load(path.parents[1] / "results" / "cpu").values()
    of_chapter = [record for record in found if record["chapter"] == path.stem]
    if not of_chapter:
        return []
    text, verdicts = notebook.cells[1].source, f"**Verdicts.** {headline(of_chapter)} "
    if text.startswith("**The answer.** ") and verdicts in text:
        return []
    return [f"the second cell must be **The answer.** and hold: {verdicts}"]


def claimed_before_judged(notebook: NotebookNode, path: Path) -> list[str]:
    cells = code_cells(notebook)
    stated = [i for i, cell in enumerate(cells) if "claims" in tags(cell)]
    made = [
        i for i, cell in enumerate(cells) if calls(cell, "Claim") or calls(cell, "stated")
    ]
    judged = [i for i, cell in enumerate(cells) if any(calls(cell, "judge"))]
    wrong = []
    if not set(made) <= set(stated):
        wrong.append("claims must be made in a cell tagged claims")
    if judged and not (made and max(stated, default=math.inf) < min(judged)):
        wrong.append("every claims cell must come before the first judge(")
    return wrong


def verdicts_are_recorded(notebook: NotebookNode, path: Path) -> list[str]:
    found = records.load(path.parents[1] / "results" / "cpu")
    wanted = {n: claims.line(r) for n, r in found.items() if r["chapter"] == path.stem}
    wrong, seen = [], []
    for line in printed_lines(notebook):
        if match := VERDICT_LINE.match(line):
            verdict, name = match.groups()
            seen.append(name)
            if name in wanted and line != wanted[name]:
                wrong.append(f"not what the record says: {line}")
            if name not in wanted and verdict != "UNTRIED":
                wrong.append(f"no record: {line}")
    wrong += [f"printed twice: {name}" for name in set(seen) if seen.count(name) > 1]
    return wrong + [f"record not shown: {name}" for name in wanted.keys() - set(seen)]


RULES: list[Rule] = [
    valid_format,
    named_by_concept,
    standard_parameters,
    chooses_its_own_size,
    no_failed_output,
    stable_output,
    counted_in_order,
    checked_cells_compare,
    short_cells,
    six_words_a_line,
    figures_are_described,
    plain_code,
    headed_in_order,
    opens_with_its_answer,
    claimed_before_judged,
    verdicts_are_recorded,
]


def record_problems(path: Path) -> list[str]:
    """What is wrong with one record of a book."""
    root, name = path.parents[2], path.stem
    record = json.loads(path.read_text(encoding="utf-8"))
    if sorted(record) != sorted(RECORD_KEYS):
        return [f"{name}: keys must be {RECORD_KEYS}, got {list(record)}"]
    bibliography = (root / "book" / "references.bib").read_text(encoding="utf-8")
    sources = {"this book", *re.findall(r"^@\w+\{([^,\s]+),", bibliography, re.MULTILINE)}
    num_seeds = max(3, len(record["seeds"]))
    rules = {
        "seeds must be the committed ones, the first three or more": (
            record["seeds"] == SEEDS[:num_seeds]
        ),
        "size must be cpu or gpu, as its folder": (
            record["size"] == path.parent.name in ("cpu", "gpu")
        ),
        "chapter must exist": (root / "notebooks" / f"{record['chapter']}.ipynb").exists(),
        "source must be in the bibliography": record["source"] in sources,
        "values must be finite": all(map(math.isfinite, record["values"])),
    }
    broken = [f"{name}: {rule}" for rule, kept in rules.items() if not kept]
    return broken + records.inconsistencies(name, record)


def problems(root: Path) -> list[str]:
    """Everything that is wrong with the notebooks and the records of a book."""
    wrong = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        wrong += [line for rule in RULES for line in rule(notebook, path)]
    for path in sorted((root / "results").glob("*/*.json")):
        wrong += record_problems(path)
    return wrong


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", chapters(ROOT), ids=lambda path: path.stem)
def test_committed_notebook(rule: Rule, path: Path):
    assert rule(nbformat.read(path, as_version=4), path) == []


def test_every_notebook_is_a_chapter():
    assert set(chapters(ROOT)) == set((ROOT / "notebooks").glob("*.ipynb"))


def test_committed_records():
    paths = sorted((ROOT / "results").glob("*/*.json"))
    assert [line for path in paths for line in record_problems(path)] == []


# --- A synthetic book, and what happens when one thing in it is wrong.

RECORD: records.Record = {
    "claim": "toy-sum",
    "chapter": "toy",
    "source": "euclid300",
    "statement": "Two and two make four.",
    "quantity": "sum",
    "low": 3.5,
    "high": 4.5,
    "at_least": 1.0,
    "tolerance": 0.1,
    "seeds": SEEDS[:3],
    "values": [4.0, 4.1, 3.9],
    "verdict": "HOLDS",
    "size": "cpu",
    "device": "cpu",
    "versions": {"python": "3.13.1", "torch": "2.11.0", "geomlib": "0.1.0"},
    "seconds": 0.1,
}
SETUP, PARAMETER_CELL, CHOOSE, CLAIM, CHECKED, FIGURE, JUDGE = 3, 4, 5, 7, 9, 10, 11
FIGURE_METADATA = {
    "figure": {"caption": "Four dots.", "name": "fig-dots"},
    "image": {"alt": "Four black dots in a row on a white ground."},
}


def synthetic_notebook() -> NotebookNode:
    words = "Two apples beside two apples are four apples, whoever counts them. " * 8
    choose = 'run = choose("toy", size, seeds, overrides, smoke={}, cpu={}, gpu={})'
    picture = new_output("display_data", {"image/png": "aGVsbG8="})
    cells = [
        new_markdown_cell("# Sums\n\nTwo and two make four."),
        new_markdown_cell(
            "**The answer.** Four.\n\n"
            "**Verdicts.** 1 claim: 1 holds, 0 split, 0 fail. It stands below."
        ),
        new_markdown_cell(f"## Overview\n\n{words}"),
        new_code_cell("import math", metadata={"tags": ["setup"]}),
        new_code_cell(
            f'size = "auto"\nseeds = {SEEDS}\noverrides = {{}}',
            metadata={"tags": ["parameters"]},
        ),
        new_code_cell(choose),
        new_markdown_cell("## Claims"),
        new_code_cell('claim = Claim("toy-sum")', metadata={"tags": ["claims"]}),
        new_markdown_cell("## Adding"),
        new_code_cell(
            "print(2 + 2)",
            outputs=[new_output("stream", name="stdout", text="4\n")],
            metadata={"tags": ["nbval-check-output"]},
        ),
        new_code_cell("plot()", outputs=[picture], metadata={"mystnb": FIGURE_METADATA}),
        new_code_cell(
            "judge(claim, {}, run)",
            outputs=[new_output("stream", name="stdout", text=claims.line(RECORD) + "\n")],
        ),
        new_markdown_cell("## Where it stops holding\n\n## Exercises\n\n## References"),
    ]
    notebook = copy.deepcopy(new_notebook(cells=cells))
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = count
    return notebook


def write_book(
    root: Path,
    edit: Callable[[NotebookNode], Any] = lambda notebook: None,
    record: records.Record | None = None,
    name: str = "toy",
    size: str = "cpu",
) -> None:
    """A book of one chapter with one claim; the record keeps what is not changed."""
    for folder in ("notebooks", "book", f"results/{size}"):
        (root / folder).mkdir(parents=True)
    (root / "_toc.yml").write_text("chapters:\n  - file: notebooks/toy\n")
    (root / "book" / "references.bib").write_text("@book{euclid300,\n}\n")
    notebook = synthetic_notebook()
    edit(notebook)
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
    text = json.dumps(RECORD | (record or {}))
    (root / "results" / size / "toy-sum.json").write_text(text)


def test_synthetic_book_is_sound(tmp_path: Path):
    write_book(tmp_path)
    assert problems(tmp_path) == []


def test_untried_lines_need_no_record(tmp_path: Path):
    def untried(notebook: NotebookNode) -> None:
        notebook.cells[JUDGE].outputs[0].text = "UNTRIED toy-sum: 4 (wanted 4; 1 of 1)\n"

    write_book(tmp_path, untried)
    assert "not what the record says" in problems(tmp_path)[0]
    (tmp_path / "results" / "cpu" / "toy-sum.json").unlink()
    assert problems(tmp_path) == []


def test_film_is_no_unstable_output(tmp_path: Path):
    alt = FIGURE_METADATA["image"]["alt"]
    image = f'<img alt="{alt}" src="data:image/png;base64,aG/+/bG/8s=">'
    film = f"{image}<button>Play</button><script>const pace = '12 ms';</script>"

    def show(notebook: NotebookNode) -> None:
        notebook.cells[FIGURE].outputs[0].data["text/html"] = film

    write_book(tmp_path, show)
    assert problems(tmp_path) == []


def source(index: int, text: str) -> Callable[[NotebookNode], Any]:
    return lambda notebook: notebook.cells[index].update(source=text)


def output(index: int, text: str) -> Callable[[NotebookNode], Any]:
    return lambda notebook: notebook.cells[index].outputs[0].update(text=text)


def metadata(index: int, **changes: Any) -> Callable[[NotebookNode], Any]:
    return lambda notebook: notebook.cells[index].metadata.update(changes)


def last(text: str) -> Callable[[NotebookNode], Any]:
    return source(-1, text)


LINE = claims.line(RECORD)
STDERR = new_output("stream", name="stderr", text="warning")
ERROR = new_output("error", ename="ValueError", evalue="", traceback=[])
BROKEN_NOTEBOOKS: dict[str, tuple[Callable[[NotebookNode], Any], str]] = {
    "verdict flipped": (output(JUDGE, LINE.replace("HOLDS", "FAILS")), "not what the"),
    "value moved": (output(JUDGE, LINE.replace("3.9", "3.8")), "not what the record"),
    "verdict indented": (output(JUDGE, " " + LINE), "not what the record"),
    "verdict shown twice": (output(JUDGE, f"{LINE}\n{LINE}"), "printed twice"),
    "verdict removed": (output(JUDGE, "four"), "record not shown"),
    "verdict invented": (output(CHECKED, "HOLDS toy-product: 4"), "no record"),
    "check uncounted": (
        lambda n: n.cells[CHECKED].update(execution_count=None),
        "a checked cell must",
    ),
    "check without output": (lambda n: n.cells[CHECKED].update(outputs=[]), "a checked"),
    "check by comment, uncounted": (
        lambda n: n.cells[FIGURE].update(
            source="# NBVAL_CHECK_OUTPUT\nplot()", execution_count=None
        ),
        "a checked",
    ),
    "alt text gone": (metadata(FIGURE, mystnb=FIGURE_METADATA | {"image": {}}), "alt text"),
    "alt text short": (
        metadata(FIGURE, mystnb=FIGURE_METADATA | {"image": {"alt": "Four dots."}}),
        "alt text",
    ),
    "caption gone": (
        metadata(FIGURE, mystnb=FIGURE_METADATA | {"figure": {"name": "fig-dots"}}),
        "needs a caption",
    ),
    "name gone": (
        metadata(FIGURE, mystnb=FIGURE_METADATA | {"figure": {"caption": "Four dots."}}),
        "needs a name",
    ),
    "few seeds": (source(PARAMETER_CELL, "seeds = [1009]"), "parameters must"),
    "no parameters": (metadata(PARAMETER_CELL, tags=[]), "exactly one cell"),
    "two parameters": (metadata(SETUP, tags=["parameters", "setup"]), "exactly one cell"),
    "other chapter": (source(CHOOSE, 'run = sizes.choose("toys", size)'), "must name toy"),
    "no size": (source(CHOOSE, "run = 1"), "must name toy"),
    "stderr": (lambda n: n.cells[CHECKED].outputs.append(STDERR), "warning"),
    "error": (lambda n: n.cells[CHECKED].outputs.append(ERROR), "ValueError"),
    "path": (output(CHECKED, "saved in /usr/share/x"), "unstable output"),
    "address": (output(CHECKED, "<Axes at 0x7f3a2b1c>"), "unstable output"),
    "time": (output(CHECKED, "took 2.3 s"), "unstable output"),
    "time of a result": (
        lambda n: n.cells[FIGURE].outputs[0].data.update({"text/html": "<b>12 ms</b>"}),
        "unstable output",
    ),
    "film undescribed": (
        lambda n: (
            n.cells[FIGURE]
            .outputs[0]
            .data.update(
                {"text/html": '<img alt="A film." src="data:image/png;base64,aGVsbG8=">'}
            )
        ),
        "alt text",
    ),
    "metadata of a run": (metadata(CHECKED, execution={}), "metadata of one run"),
    "count out of order": (
        lambda n: n.cells[CHECKED].update(execution_count=9),
        "execution counts",
    ),
    "no counts, but outputs": (
        lambda n: [c.update(execution_count=None) for c in code_cells(n)],
        "execution counts",
    ),
    "long cell": (source(FIGURE, "plot()\n" * 26), "over 25 lines"),
    "little prose": (source(FIGURE, "plot()\n" * 20), "6 words"),
    "try": (source(FIGURE, "try:\n    plot()\nexcept ValueError:\n    pass"), "no try"),
    "line magic": (source(FIGURE, "%matplotlib inline"), "no magics"),
    "shell line": (source(FIGURE, "!pip list"), "no magics"),
    "hidden magic": (source(FIGURE, 'get_ipython().system("pip list")'), "no magics"),
    "no title": (source(0, "Sums"), "heading of level 1"),
    "two titles": (source(6, "# Claims"), "heading of level 1"),
    "no answer": (source(1, "**Verdicts.** 1 claim: 1 holds, 0 split, 0 fail. "), "second"),
    "other verdicts": (
        source(1, "**The answer.** **Verdicts.** 1 claim: 0 hold, 0 split, 1 fails. "),
        "second cell must be",
    ),
    "no overview": (source(2, "word " * 99), "must be Overview"),
    "no limits": (last("## Exercises\n\n## References"), "must follow in this order"),
    "sections swapped": (
        last("## Exercises\n\n## Where it stops holding\n\n## References"),
        "must follow in this order",
    ),
    "heading in a block in a block": (
        last("## Where it stops holding\n\n````\n```\n# 1\n```\n## Exercises\n````"),
        "must follow in this order",
    ),
    "heading in a code block": (
        last("## Where it stops holding\n\n## Exercises\n\n```\n## References\n```"),
        "must follow in this order",
    ),
    "claim in an untagged cell": (metadata(CLAIM, tags=[]), "tagged claims"),
    "claim after the verdict": (
        lambda n: n.cells.append(n.cells.pop(CLAIM)),
        "before the first judge",
    ),
    "verdict without a claim": (source(CLAIM, "claim = 1"), "before the first judge"),
    "invalid format": (
        lambda n: n.metadata.update(kernelspec={}),
        "is a required property",
    ),
}


@pytest.mark.parametrize(("edit", "said"), BROKEN_NOTEBOOKS.values(), ids=BROKEN_NOTEBOOKS)
def test_broken_notebook_is_caught(
    edit: Callable[[NotebookNode], Any], said: str, tmp_path: Path
):
    write_book(tmp_path, edit)
    assert said in "\n".join(problems(tmp_path))


BROKEN_RECORDS: dict[str, tuple[records.Record, str]] = {
    "verdict flipped": ({"verdict": "FAILS"}, "its values give HOLDS"),
    "never tried": ({"verdict": "UNTRIED"}, "its values give HOLDS"),
    "value changed": ({"values": [4.0, 4.2, 3.9]}, "not what the record says"),
    "value outside": ({"values": [4.0, 5.1, 3.9]}, "its values give SPLIT"),
    "bound moved": ({"high": 4.4}, "not what the record says"),
    "value missing": ({"values": [4.0, 4.1]}, "not one value a seed"),
    "value not finite": ({"values": [4.0, math.nan, 3.9]}, "must be finite"),
    "other seeds": ({"seeds": [1009, 1019, 1013]}, "seeds must be"),
    "one seed": ({"seeds": [1009], "values": [4.0]}, "seeds must be"),
    "other size": ({"size": "gpu"}, "size must be"),
    "no such chapter": ({"chapter": "toys"}, "chapter must exist"),
    "no such source": ({"source": "euclid301"}, "source must be"),
    "other claim": ({"claim": "toy-product"}, "holds the claim"),
    "one key more": ({"note": "it nearly holds"}, "keys must be"),
}


@pytest.mark.parametrize(("record", "said"), BROKEN_RECORDS.values(), ids=BROKEN_RECORDS)
def test_broken_record_is_caught(record: records.Record, said: str, tmp_path: Path):
    write_book(tmp_path, record=record)
    assert said in "\n".join(problems(tmp_path))


def test_record_without_a_key_is_caught(tmp_path: Path):
    write_book(tmp_path)
    path = tmp_path / "results" / "cpu" / "toy-sum.json"
    path.write_text(json.dumps({k: v for k, v in RECORD.items() if k != "tolerance"}))
    assert "keys must be" in record_problems(path)[0]


def test_verdict_flipped_in_both_places_is_caught(tmp_path: Path):
    edit = output(JUDGE, LINE.replace("HOLDS", "FAILS"))
    write_book(tmp_path, edit, {"verdict": "FAILS"})
    assert "its values give HOLDS" in "\n".join(problems(tmp_path))


def test_verdict_without_its_record_is_caught(tmp_path: Path):
    write_book(tmp_path)
    (tmp_path / "results" / "cpu" / "toy-sum.json").unlink()
    assert problems(tmp_path) == [f"no record: {LINE}"]


def test_smoke_records_are_not_committed(tmp_path: Path):
    write_book(tmp_path, record={"size": "smoke"}, size="smoke")
    assert "toy-sum: size must be cpu or gpu, as its folder" in problems(tmp_path)


@pytest.mark.parametrize("name", ["01_toy", "Toy", "toy-sum"])
def test_name_of_a_notebook_is_a_concept(name: str, tmp_path: Path):
    write_book(tmp_path, name=name)
    said = "\n".join(problems(tmp_path))
    assert "lower-case words" in said
    assert "_toc.yml" in said
