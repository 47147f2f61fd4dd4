"""Move every control of a page's interactive figures, by keyboard and by mouse."""

from chromium import Chromium

LEFT, RIGHT, UP, DOWN = (
    ("ArrowLeft", 37),
    ("ArrowRight", 39),
    ("ArrowUp", 38),
    ("ArrowDown", 40),
)
NAMES = """
[...document.querySelectorAll("[data-interactive]")].map((e) => e.dataset.interactive)
"""
# A figure as a reader has it: what is drawn, and the words that say it.
SHOWN = """(() => {
  const place = document.querySelector('[data-interactive="%s"]');
  const drawn = [...place.querySelectorAll("svg")].map((svg) => svg.innerHTML).join();
  return [drawn, place.querySelector("[role=status]")?.textContent ?? ""];
})()"""
CONTROLS = """
[...document.querySelectorAll('[data-interactive="%s"] :is(input, select):enabled')]
  .map((e) => e.id)
"""
# At the middle of the window, with the focus on it: where it stands and how far it goes.
REACHED = """(() => {
  const control = document.getElementById("%s");
  control.scrollIntoView({ block: "center", behavior: "instant" });
  control.focus();
  const { left, top, width, height } = control.getBoundingClientRect();
  const select = control.localName === "select";
  const last = select ? control.options.length - 1 : Number(control.max);
  return { focused: document.activeElement === control, select, last,
    at: Number(select ? control.selectedIndex : control.value),
    left, y: top + height / 2, width };
})()"""
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def unmoved(browser: Chromium) -> list[tuple[str, str]]:
    """Controls of which a move changes nothing, and figures that are not drawn."""
    found = []
    for name in browser.ask(NAMES):
        controls = browser.ask(CONTROLS % name)
        if not all(browser.ask(SHOWN % name)) or not controls:
            found.append((name, "no drawing, no words or no control"))
        for control in controls:
            found += [(control, said) for said in _tried(browser, name, control)]
    return found


def _tried(browser: Chromium, name: str, control: str) -> list[str]:
    """What is wrong with one control."""
    place = browser.ask(REACHED % control)
    if not place["focused"]:
        return ["keyboard: takes no focus"]
    at_end = place["at"] == place["last"]
    back, on = (UP, DOWN) if place["select"] else (LEFT, RIGHT)
    wrong = []
    before = browser.ask(SHOWN % name)
    browser.press(*(back if at_end else on))
    wrong += _same(browser, name, before, "keyboard")
    if place["select"]:
        # The list that it opens is drawn by the system, out of the page's reach. Back to
        # what was chosen: another choice may leave other controls without a use.
        browser.press(*(on if at_end else back))
    else:
        place = browser.ask(REACHED % control)
        before = browser.ask(SHOWN % name)
        far = 0.1 if place["at"] > place["last"] / 2 else 0.9
        browser.click(place["left"] + far * place["width"], place["y"])
        wrong += _same(browser, name, before, "mouse")
    return wrong


def _same(browser: Chromium, name: str, before: list[str], how: str) -> list[str]:
    """Parts of a figure that did not change."""
    browser.ask(FRAME)
    after = browser.ask(SHOWN % name)
    parts = zip(("drawing", "words"), before, after, strict=True)
    return [f"{how}: the {part} stayed" for part, old, new in parts if old == new]
