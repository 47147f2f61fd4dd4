"""Rules for the pages: what they list exists, and what exists is listed."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from geomlib import claims

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
SOURCE = ROOT / "src"
# Made from records when the book is built.
GENERATED = {"book/scoreboard", "book/benchmarks"}
LISTED = re.compile(r"^\.\. auto(\w+):: (geomlib[\w.]*)", re.MULTILINE)
CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def public_names() -> dict[str, set[str]]:
    """Public functions and classes by kind, read from the source that defines them."""
    names: dict[str, set[str]] = {"function": set(), "class": set()}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if parts[-1] != "__init__" and parts[-1].startswith("_"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                names[kind].add(f"{module}.{node.name}")
    return names


def reference_text() -> str:
    """The reference, all its pages."""
    paths = sorted(BOOK.glob("reference*.md"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def reference() -> list[tuple[str, str]]:
    """What the reference lists: directive and name."""
    return LISTED.findall(reference_text())


def toc_entries() -> list[str]:
    """Files that the table of contents names."""
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["root"] == "book/index"
    return re.findall(r"^(?:root| *- file): *(\S+)", text, re.MULTILINE)


def bibliography() -> list[str]:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),", text, re.MULTILINE)


def pages() -> list[Path]:
    return [*sorted(BOOK.rglob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def test_public_names_are_those_of_an_import():
    found = {name for names in public_names().values() for name in names}
    imported = {
        f"geomlib.claims.{name}"
        for name, value in vars(claims).items()
        if getattr(value, "__module__", "") == "geomlib.claims" and name[0] != "_"
    }
    assert imported == {name for name in found if name.startswith("geomlib.claims.")}


@pytest.mark.parametrize("kind", ["function", "class"])
def test_reference_lists_every_public_name(kind: str):
    listed = {name for directive, name in reference() if directive == kind}
    assert listed == public_names()[kind]


def test_reference_lists_nothing_twice():
    counts = Counter(name for _, name in reference())
    assert [name for name, count in counts.items() if count > 1] == []


def test_reference_names_modules_that_exist_and_no_other_thing():
    kinds = set(public_names())
    others = [(kind, name) for kind, name in reference() if kind not in kinds]
    for kind, name in others:
        assert kind == "module", f"{name}: list functions and classes by name"
        base = SOURCE.joinpath(*name.split("."))
        assert base.with_suffix(".py").is_file() or base.is_dir(), name
    # Its members would be listed a second time.
    assert not re.search(r"automodule:: .*\n( +:.*\n)* +:members:", reference_text())


def test_every_page_is_in_the_table_of_contents():
    there = {str(path.relative_to(ROOT).with_suffix("")) for path in pages()}
    entries = toc_entries()
    assert len(set(entries)) == len(entries)
    assert set(entries) - GENERATED == there


def test_static_files_load_nothing_from_the_network():
    # An XML namespace is a name that looks like an address; nothing is fetched.
    loads = re.compile(r"(?<!xmlns=[\"'])(https?:|wss?:|[\"'(]//)\S*")
    for path in sorted((BOOK / "_static").rglob("*")):
        # Another project's file: test_interactive compares its checksum, and the browser
        # test sees that it asks no host.
        if path.name == "d3.min.js":
            continue
        if path.suffix in {".css", ".js", ".html", ".svg"}:
            text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
            assert loads.findall(text) == [], path.name


def test_every_citation_has_its_source():
    known = bibliography()
    assert len(set(known)) == len(known)
    for path in pages():
        for keys in CITED.findall(path.read_text(encoding="utf-8")):
            for key in keys.split(","):
                assert key.strip() in known, f"{path.name} cites {key}"
