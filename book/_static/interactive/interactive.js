// What the interactive figures share: their controls, their panels, and the words that say
// what is shown. Nothing moves unless a control does, so there is no motion to reduce.
globalThis.interactive = (() => {
  "use strict";
  const WIDTH = 340;
  const MARGIN = { top: 26, right: 12, bottom: 40, left: 54 };

  // An element with attributes; children that are text are escaped.
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // Label, control and value of one quantity; `read` and `refresh` work on the state.
  function makeControl(figure, { key, label, values, says, start = 0, kind = "range" }) {
    const id = `interactive-${figure}-${key}`;
    const shown = element("span", { class: "interactive-value", "aria-hidden": "true" });
    const input = element(kind === "range" ? "input" : "select", { id });
    if (kind === "range") {
      input.type = "range";
      input.min = 0;
      input.step = 1;
    } else {
      values().forEach((value, i) => input.append(element("option", { value: i }, says(value))));
    }
    let choices = null;
    // The values may depend on what other controls are set to.
    const refresh = (state) => {
      const now = values(state);
      if (kind === "range" && now !== choices) {
        input.max = now.length - 1;
        input.disabled = now.length < 2;
        input.value = choices === null ? start : Math.floor(now.length / 2);
      } else if (choices === null) {
        input.value = start;
      }
      choices = now;
      state[key] = now[input.value];
      if (kind === "range") {
        shown.textContent = says(state[key]);
        input.setAttribute("aria-valuetext", says(state[key]));
      }
    };
    const row = element("div", { class: "interactive-control" }, element("label", { for: id }, label), input);
    if (kind === "range") row.append(shown);
    return { input, row, refresh };
  }

  // Put a figure in place of the text that stands for it. `make` takes the data and gives
  // { title, controls, draw }; `draw` takes the state and gives { panels, words }.
  function figure(name, make) {
    const place = document.querySelector(`[data-interactive="${name}"]`);
    const data = globalThis.figureData?.[name];
    if (!place || !data) return;
    const { title, controls, draw } = make(data);
    const state = {};
    const made = controls.map((control) => makeControl(name, control));
    const drawing = element("div", { class: "interactive-panels" });
    const words = element("p", { class: "interactive-words", role: "status", "aria-live": "polite" });
    const update = () => {
      for (const control of made) control.refresh(state);
      const { panels, words: said } = draw(state);
      drawing.replaceChildren(...panels);
      words.textContent = said;
    };
    for (const { input } of made) input.addEventListener("input", update);
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", title);
    place.replaceChildren(element("div", {}, ...made.map(({ row }) => row)), drawing, words);
    update();
  }

  // An axis with about so many ticks, or with the very ones given.
  function ticked(axis, ticks) {
    return (Array.isArray(ticks) ? axis.tickValues(ticks) : axis.ticks(ticks)).tickSizeOuter(0);
  }

  // A panel with a title and two axes; scales get their ranges here.
  function panel({ title, x, y, xlabel, ylabel, height = 300, xticks = 5, yticks = 5, format }) {
    const { top, right, bottom, left } = MARGIN;
    x.range([left, WIDTH - right]);
    y.range([height - bottom, top]);
    const svg = d3.create("svg").attr("viewBox", [0, 0, WIDTH, height]).attr("role", "img").attr("aria-label", title);
    svg.append("text").attr("class", "interactive-title").attr("x", left).attr("y", 16).text(title);
    svg.append("g").attr("transform", `translate(0,${height - bottom})`).call(ticked(d3.axisBottom(x), xticks));
    svg.append("g").attr("transform", `translate(${left},0)`).call(ticked(d3.axisLeft(y), yticks).tickFormat(format ?? null));
    svg.append("text").attr("x", (left + WIDTH - right) / 2).attr("y", height - 6)
      .attr("text-anchor", "middle").text(xlabel);
    svg.append("text").attr("x", -(top + height - bottom) / 2).attr("y", 11)
      .attr("transform", "rotate(-90)").attr("text-anchor", "middle").text(ylabel);
    return svg;
  }

  // A number as it is read: three digits, with a minus sign that is one.
  function number(value) {
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(1) : String(+value.toPrecision(3));
    return text.replaceAll("-", "\u2212");
  }

  return { figure, panel, number };
})();
