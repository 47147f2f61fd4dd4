// Mends to what Sphinx and the theme write, for keyboards and screen readers (axe-core finds
// each of them serious or critical).
"use strict";

// A label that is read in place of the words that are seen, though it says less.
for (const labelled of document.querySelectorAll("summary[aria-label], .search-button-field[aria-label]"))
  labelled.removeAttribute("aria-label");

// Citations stand in a list, so each is one of its items.
for (const citation of document.querySelectorAll(".citation-list > [role=doc-biblioentry]"))
  citation.setAttribute("role", "listitem");

// What scrolls sideways can be reached, and then scrolled, with the keyboard.
const reachable = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const scrolls = target.scrollWidth > target.clientWidth && getComputedStyle(target).overflowX !== "visible";
    if (scrolls) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const boxes = "pre, table, div.math, .cell_output, .output, .table-wrapper, .pst-scrollable-table-container";
for (const box of document.querySelectorAll(`.bd-content :is(${boxes})`)) reachable.observe(box);
