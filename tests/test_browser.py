"""Every page of the built book as a browser without a network shows it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browser import BROWSERS
from build_book import chapters
from notebook import interactive, read

ROOT = Path(__file__).parents[1]
CHECKER = Path(__file__).with_name("browser_pages.py")
BOOK = Path(os.environ.get("GEOMLIB_BOOK", ROOT / "build" / "site" / "_build" / "html"))

FINE = """
<main><h1 id="here">Fine</h1>
<p>A price of $5, code <code>\\(x\\)</code>, <a href="#here">a link</a>, the
<a href="https://example.org/">outside</a> and a formula,
<span class="math"><mjx-container>x</mjx-container></span>.</p>
<figure><img src="dot.svg" alt="A black dot in the middle of nothing else"></figure>
<div style="overflow-x: auto"><p style="width: 3000px">wide, in a box of its own</p></div>
<div data-interactive="line"><label for="length">Length</label>
<input id="length" type="range" min="1" max="9" value="9">
<svg role="img" aria-label="A line"></svg><p role="status"></p></div></main>
<script>
console.log("said, not complained");
const [slider, line, words] = ["input", "svg", "[role=status]"].map(
  (selector) => document.querySelector(selector));
const show = () => {
  line.innerHTML = `<path d="M0 0h${slider.value}">`;
  words.textContent = `${slider.value} long`;
};
slider.addEventListener("input", show);
show();
</script>
"""
DEAD = """
<div data-interactive="line"><label for="length">Length</label>
<input id="length" type="range" min="1" max="9">
<svg role="img" aria-label="A line"><path d="M0 0h9"/></svg>
<p role="status">9 long</p></div>
"""
# Each page has one defect, but the first: its body, and what must be reported, as check
# and a part of the element or the detail.
PAGES = {
    "fine": (FINE, {}),
    "alt_missing": ('<img src="dot.svg">', {"alt": "dot.svg", "axe": "image-alt"}),
    "alt_is_the_file": ('<img src="dot.svg" alt="../dot.svg">', {"alt": "no alt text"}),
    "alt_short": ('<figure><img src="dot.svg" alt="A dot"></figure>', {"alt": "2 words"}),
    "file_missing": ('<a href="absent.html">there</a>', {"links": "absent.html"}),
    "anchor_missing": ('<a href="fine.html#gone">there</a>', {"links": "no anchor"}),
    "outside_the_book": ('<a href="../up.html">up</a>', {"links": "no file"}),
    "moved_to_nowhere": (
        '<meta http-equiv="refresh" content="0; url=absent.html">',
        {"links": "absent.html"},
    ),
    "script_missing": (
        '<script src="absent.js"></script>',
        {"links": "absent.js", "console": "ERR_FILE_NOT_FOUND"},
    ),
    "another_host": (
        '<img alt="a dot" src="https://example.org/dot.png">',
        {"network": "example.org", "console": "net::ERR"},
    ),
    "another_host_later": (
        '<img alt="a dot" loading="lazy" style="margin-top: 9999px" src="http://a.org/d.png">',
        {"network": "would load"},
    ),
    "fetch": (
        '<script>fetch("https://example.org/").catch(() => 0)</script>',
        {"network": "asks another host", "console": "net::ERR"},
    ),
    "wide": ('<p id="broad" style="width: 600px">broad</p>', {"width": "p#broad"}),
    "wide_everywhere": ('<p style="width: 1500px">broad</p>', {"width": "of 1400"}),
    "faint": (
        "<style>[data-theme=dark] #dim { background: #111; color: #444 }</style>"
        '<p id="dim">hardly seen</p>',
        {"contrast": "p#dim"},
    ),
    "faint_in_a_fold": (
        '<details><summary>more</summary><p style="color: #aaa">dim</p></details>',
        {"contrast": "light, 390 px"},
    ),
    "see_through": ('<p style="opacity: 0.4">hardly seen</p>', {"contrast": "to 1"}),
    "raw_formula": (r"<p id='raw'>where \(x\) is</p>", {"formulas": "p#raw"}),
    "raw_dollars": ("<p>where $$x$$ is</p>", {"formulas": "$$"}),
    "raw_command": (r"<p>the \Sigma of it</p>", {"formulas": r"\Sigma"}),
    "left_formula": ('<p class="math">x</p>', {"formulas": "not typeset"}),
    "wrong_formula": (
        '<p class="math"><mjx-container><g data-mml-node="merror"></g></mjx-container></p>',
        {"formulas": "MathJax error"},
    ),
    "complaint": ('<script>console.error("no good")</script>', {"console": "no good"}),
    "exception": ('<script>throw new Error("bad")</script>', {"console": "Error: bad"}),
    "rejection": (
        '<script>Promise.reject(new Error("late"))</script>',
        {"console": "Error: late"},
    ),
    "heavy": (
        '<link rel="stylesheet" href="heavy.css">',
        {"weight": "heaviest: heavy.css"},
    ),
    "nameless": ("<button></button>", {"axe": "button-name (critical)"}),
    "figure_dead": (DEAD, {"figures": "mouse: the words stayed"}),
    "figure_missing": ('<div data-interactive="line"></div>', {"figures": "no drawing"}),
    "search": ('<ul id="search-results"></ul>', {"search": "no link"}),
}


def need(there: object, reason: str) -> None:
    """Skip, but where CI promised all that the tests need, fail."""
    if not there:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def command_without_network() -> list[str]:
    """Prefix that puts a command into a namespace of its own, where that is permitted."""
    prefix = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare"):
        return []
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return [] if tried.returncode else prefix


def examined(folder: Path) -> dict:
    """What the checker says of a folder of pages, and what kept the network away."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    need(program, f"no browser: none of {', '.join(BROWSERS)} is installed")
    prefix = command_without_network()
    command = [*prefix, sys.executable, str(CHECKER), str(folder), "--chromium", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout, done.stderr
    kept = "a namespace without network" if prefix else "--host-resolver-rules alone"
    return json.loads(done.stdout) | {"network": kept}


def lines(findings: list[dict]) -> list[str]:
    return ["{page}: {check}: {element}: {detail}".format(**f) for f in findings]


def test_every_page_of_the_book():
    need((BOOK / "index.html").is_file(), f"no book in {BOOK}: make read builds it")
    for path in chapters(ROOT):
        page = BOOK / "notebooks" / f"{path.stem}.html"
        for name in interactive(read(path)):
            # Else there would be no control to move.
            assert f'data-interactive="{name}"' in page.read_text(encoding="utf-8"), name
    answer = examined(BOOK)
    found = lines(answer["findings"])
    assert not found, "\n".join([f"seen through {answer['network']}:", *found])
    assert "book/index.html" in answer["weights"]


def test_each_defect_is_reported_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "html"
    folder.mkdir()
    (tmp_path / "up.html").write_text("outside the book")
    (folder / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    (folder / "heavy.css").write_text(" " * 2_500_001)
    for name, (body, _) in PAGES.items():
        head = f'<!doctype html><html lang="en"><title>{name}</title>'
        page = f"{head}<body>{body}</body></html>"
        (folder / f"{name}.html").write_text(page)
    findings = examined(folder)["findings"]
    for name, (_, expected) in PAGES.items():
        found = [f for f in findings if f["page"].split("?")[0] == f"{name}.html"]
        assert {f["check"] for f in found} == set(expected), (name, lines(found))
        for check, part in expected.items():
            said = lines([f for f in found if f["check"] == check])
            assert any(part in line for line in said), (name, said)
