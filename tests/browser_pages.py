"""Open every page of a built book in headless Chromium and print what is wrong, as JSON.

    unshare -rn python tests/browser_pages.py build/site/_build/html

What is asked of a page stands in browser_pages.js; axe-core looks at it too, and the
controls of interactive figures are moved.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from browser_figures import unmoved
from chromium import WINDOWS, Chromium

CHECKS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
AXE = (Path(__file__).parent / "vendor/axe/axe.min.js").read_text(encoding="utf-8")
THEMES = ("light", "dark")
LOCAL = ("file", "data", "blob", "about")
LEAST_CONTRAST = 4.5  # WCAG 2.1, level AA
MOST_BYTES = 2_500_000
REFRESH = re.compile(r'http-equiv="refresh"[^>]*url=([^"\']+)', re.IGNORECASE)


class Finding(NamedTuple):
    """One thing that is wrong."""

    page: str
    check: str
    element: str
    detail: str


def heard(events: list[dict]) -> Iterator[tuple[str, str, str]]:
    """Check, element and detail of each complaint and each request to another host."""
    for event in events:
        match event:
            case {
                "method": "Runtime.exceptionThrown",
                "params": {"exceptionDetails": error},
            }:
                text = error.get("exception", {}).get("description", error["text"])
                yield "console", error.get("url", "script"), text.splitlines()[0]
            case {
                "method": "Runtime.consoleAPICalled",
                "params": {"type": "error" | "assert", "args": values},
            }:
                said = [str(v.get("value", v.get("description"))) for v in values]
                yield "console", "console.error", " ".join(said)
            case {
                "method": "Log.entryAdded",
                "params": {"entry": {"level": "error"} as entry},
            }:
                yield "console", entry.get("url", entry["source"]), entry["text"]
            case {
                "method": "Network.requestWillBeSent",
                "params": {"request": {"url": url}},
            } | {"method": "Network.webSocketCreated", "params": {"url": url}} if (
                urlsplit(url).scheme not in LOCAL
            ):
                yield "network", url, "asks another host"


def local_file(url: str) -> Path:
    """The file that a file: address names."""
    return Path(unquote(urlsplit(url).path))


class Book:
    """A folder of pages, and what is known of those that were opened."""

    def __init__(self, folder: Path, browser: Chromium):
        self.folder = folder
        self.browser = browser
        self.findings: list[Finding] = []
        self.weights: dict[str, int] = {}
        self.ids: dict[Path, set[str]] = {}
        self.links: list[tuple[str, str, str]] = []

    def pages(self) -> list[str]:
        """Pages by path; folders that start with an underscore hold material."""
        found = [path.relative_to(self.folder) for path in self.folder.rglob("*.html")]
        return sorted(str(p) for p in found if not any(part[0] == "_" for part in p.parts))

    def report(self, page: str, check: str, found: Iterable[Iterable[str]]) -> None:
        self.findings += [
            Finding(page, check, *each) for each in dict.fromkeys(map(tuple, found))
        ]

    def load(self, url: str) -> None:
        """Open a page and wait until its formulas stand."""
        self.browser.open(url)
        self.browser.ask(f"{CHECKS}; 0")
        self.browser.ask("pageChecks.settle()")

    def visit(self, page: str) -> None:
        """Open a page and make every check of it."""
        path, ask = self.folder / page, self.browser.ask
        self.ids[path] = set()
        if refresh := REFRESH.search(path.read_text(encoding="utf-8")):
            self.links.append((page, "meta refresh", urljoin(path.as_uri(), refresh[1])))
            return
        self.load(path.as_uri())
        named = ask("pageChecks.links()")
        self.ids[path] = set(named["ids"])
        self.links += [(page, *link) for link in named["links"] + named["resources"]]
        hosts = [
            (e, url) for e, url in named["resources"] if urlsplit(url).scheme not in LOCAL
        ]
        self.report(
            page, "network", [(element, f"would load {url}") for element, url in hosts]
        )
        self.report(page, "formulas", ask("pageChecks.formulas()"))
        self.report(page, "alt", ask("pageChecks.alt()"))
        ask(f"{AXE}; 0")
        for theme, window in product(THEMES, WINDOWS):
            self.browser.resize(window)
            ask(f"pageChecks.wear('{theme}')")
            self.report(page, "contrast", ask(f"pageChecks.contrast({LEAST_CONTRAST})"))
            self.report(page, "width", ask("pageChecks.width()"))
            # Its rules tell windows apart, hardly themes: each is looked at once.
            if (theme, window) in (("light", "desk"), ("dark", "phone")):
                self.report(page, "axe", ask("pageChecks.axe()"))
            self.report(page, "figures", unmoved(self.browser))
        self.listen(page)
        self.weigh(page, [url for _, url in named["resources"]])

    def listen(self, page: str) -> None:
        """Report what the page said and asked for since it was opened."""
        for check, *complaint in heard(self.browser.events):
            self.report(page, check, [complaint])

    def weigh(self, page: str, resources: list[str]) -> None:
        """Report a page that is heavy with what it loads; MathJax, once a book, apart."""
        loaded = [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        files = {local_file(u) for u in [*loaded, *resources] if u.startswith("file:")}
        sizes = {
            file: file.stat().st_size
            for file in files
            if file.is_file() and "mathjax" not in file.parts
        }
        self.weights[page] = sum(sizes.values())
        if self.weights[page] > MOST_BYTES:
            heaviest = max(sizes, key=sizes.__getitem__).name
            detail = f"{self.weights[page]:,} bytes, at most {MOST_BYTES:,}"
            self.report(page, "weight", [(f"heaviest: {heaviest}", detail)])

    def search(self, page: str, word: str) -> None:
        """Search the book for a word that it holds."""
        asked = f"{page}?q={word}"
        self.load(f"{(self.folder / page).as_uri()}?q={word}")
        results = self.browser.ask("pageChecks.results()")
        if not results:
            self.report(asked, "search", [("#search-results", "shows no link")])
        self.links += [(asked, *result) for result in results]
        self.listen(asked)

    def follow(self) -> None:
        """Report each link within the book to a file or an anchor that is not there."""
        for page, element, url in dict.fromkeys(self.links):
            target, anchor = local_file(url), unquote(urlsplit(url).fragment)
            if urlsplit(url).scheme != "file":
                continue
            if not target.is_relative_to(self.folder) or not target.is_file():
                self.report(page, "links", [(element, f"no file {unquote(url)}")])
            elif anchor and target in self.ids and anchor not in self.ids[target] | {"top"}:
                self.report(page, "links", [(element, f"no anchor {unquote(url)}")])


def examine(folder: Path, program: str, word: str) -> Book:
    """The book after every page was opened."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        book = Book(folder.resolve(), browser)
        try:
            for page in book.pages():
                try:
                    book.visit(page)
                    if Path(page).name == "search.html":
                        book.search(page, word)
                except (RuntimeError, TimeoutError) as error:
                    book.report(page, "open", [("page", str(error))])
            book.follow()
        finally:
            browser.close()
    return book


def main() -> int:
    """Exit status: 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chromium", default="chromium")
    parser.add_argument("--word", default="projection", help="one that a search must find")
    arguments = parser.parse_args()
    start = time.monotonic()
    book = examine(arguments.folder, arguments.chromium, arguments.word)
    answer = {
        "findings": [finding._asdict() for finding in book.findings],
        "weights": book.weights,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(json.dumps(answer, indent=1))
    return 1 if book.findings else 0


if __name__ == "__main__":
    sys.exit(main())
