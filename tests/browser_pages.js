// What browser_pages.py asks of an open page. A check answers with a list of
// [element, detail], empty where the page is as it should be.
globalThis.pageChecks = (() => {
  const SAMPLE = 5; // findings of one kind that a page reports
  const content = () => document.querySelector("article, main") ?? document.body;
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const shorten = (text) => text.replace(/\s+/g, " ").trim().slice(0, 60);

  function describe(element) {
    const id = element.id ? `#${element.id}` : "";
    const classes = [...element.classList].slice(0, 2).map((name) => `.${name}`).join("");
    const section = element.parentElement?.closest("section[id]");
    const text = shorten(element.textContent);
    return (section ? `#${section.id} ` : "") + element.localName + id + classes + (text && ` "${text}"`);
  }

  // Formulas are typeset, folded parts are open and nothing moves any more.
  async function settle() {
    await globalThis.MathJax?.startup?.promise;
    await document.fonts.ready;
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    for (const folded of document.querySelectorAll(".toggle-hidden")) folded.classList.remove("toggle-hidden");
    const still = document.createElement("style");
    still.textContent = "*, ::before, ::after { transition: none !important; animation: none !important; }";
    document.head.append(still);
    await frame();
  }

  // \(, $$, $x$ or \command in the text that a reader sees; code may hold them.
  const RAW = /\\[()[\]]|\$\$|\\[a-zA-Z]+|\$\S(?:[^$]*\S)?\$(?!\d)/;

  function formulas() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const parent = walker.currentNode.parentElement;
      const raw = RAW.exec(walker.currentNode.data);
      if (raw && !parent.closest("script, style, pre, code, textarea, noscript, mjx-container"))
        found.push([describe(parent), `raw ${shorten(raw[0])}`]);
    }
    for (const formula of document.querySelectorAll(".math"))
      if (!formula.querySelector("mjx-container")) found.push([describe(formula), "not typeset"]);
    // MathJax draws a macro that it does not know as red text.
    for (const error of document.querySelectorAll(
      "mjx-merror, [data-mml-node=merror], [data-mml-node=mtext][fill=red]"))
      found.push([describe(error.closest(".math") ?? error),
        error.getAttribute("data-mjx-error") ?? "MathJax error"]);
    return found;
  }

  function alt() {
    const found = [];
    for (const image of content().querySelectorAll("img")) {
      const text = (image.getAttribute("alt") ?? "").trim();
      const words = text ? text.split(/\s+/).length : 0;
      const figure = image.closest("figure, .cell_output");
      const where = `img ${image.getAttribute("src")?.slice(0, 80)}`;
      // Sphinx puts the file's name where the author wrote nothing.
      if (!words || /\.(png|svg|jpe?g|gif|webp)$/i.test(text)) found.push([where, "no alt text"]);
      else if (figure && words < 8) found.push([where, `alt text of ${words} words, at least 8: ${text}`]);
    }
    return found;
  }

  // Ids of the page, its links, and what it loads: [element, address] each.
  function links() {
    const listed = (selector, property) =>
      [...document.querySelectorAll(selector)].map((e) => [describe(e), e[property]]).filter(([, url]) => url);
    const loading = ["stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch"]
      .map((rel) => `link[rel~=${rel}]`).join();
    const sets = [...document.querySelectorAll("[srcset]")].flatMap((e) =>
      e.srcset.split(/,\s+/).map((s) => [describe(e), new URL(s.trim().split(/\s/)[0], document.baseURI).href]));
    return {
      ids: [
        ...[...document.querySelectorAll("[id]")].map((e) => e.id),
        ...[...document.querySelectorAll("a[name]")].map((e) => e.name),
      ],
      links: [
        ...listed("a[href], area[href]", "href"),
        ...listed("form[action]", "action"),
        ...listed("link[rel=next], link[rel=prev], link[rel=index], link[rel=search]", "href"),
      ],
      resources: [
        ...listed("img, script, iframe, embed, source, track, video, audio", "src"),
        ...listed("object", "data"),
        ...listed(loading, "href"),
        ...sets,
      ],
    };
  }

  // What sticks out of the window, unless it scrolls in a box of its own.
  async function width() {
    await frame();
    const page = document.documentElement;
    const boxes = [page, ...document.querySelectorAll("main, article")];
    const sideways = boxes.filter((box) => box === page
      ? Math.max(page.scrollWidth, document.body.scrollWidth) > innerWidth + 1
      : box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible");
    if (!sideways.length) return [];
    const boxed = (element) => {
      for (let e = element; e && !boxes.includes(e); e = e.parentElement) {
        const style = getComputedStyle(e);
        if (style.position === "fixed" || (e !== element && style.overflowX !== "visible")) return true;
      }
      return false;
    };
    const out = [...document.body.querySelectorAll("*")].filter((e) =>
      e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility() && !boxed(e));
    const innermost = out.filter((e) => !out.some((other) => other !== e && e.contains(other)));
    const reach = `${Math.max(...sideways.map((box) => box.scrollWidth))} px in a window of ${innerWidth}`;
    return (innermost.length ? innermost : sideways).slice(0, SAMPLE).map((e) => [describe(e), reach]);
  }

  // A canvas reads every notation of a colour that CSS has.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  function rgba(color) {
    if (!known.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(color, [r, g, b, a / 255]);
    }
    return known.get(color);
  }
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
  // WCAG 2.1, relative luminance; 0.04045 is sRGB's own threshold.
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, two) => {
    const [dark, light] = [luminance(one), luminance(two)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  // Put on one of the theme's two dresses, as its own button does.
  async function wear(theme) {
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.mode = theme;
    await frame();
  }

  // Where a finding was made.
  const here = () => `${document.documentElement.dataset.theme}, ${innerWidth} px`;

  // Text and formulas that cannot be told well from what lies behind them.
  function contrast(least) {
    const lines = new Map();
    for (const element of document.body.querySelectorAll("*")) {
      const written = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (!(written || element.localName === "mjx-container") || element.parentElement?.closest("mjx-container")) continue;
      if (element.closest("svg, script, style")) continue;
      if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const behind = [];
      let opacity = 1;
      for (let e = element; e; e = e.parentElement) {
        const style = getComputedStyle(e);
        behind.push(rgba(style.backgroundColor));
        opacity *= style.opacity;
      }
      const background = behind.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
      const color = getComputedStyle(element).color;
      const [r, g, b, a] = rgba(color);
      const reached = ratio(over([r, g, b, a * opacity], background), background);
      if (reached < least) {
        const seen = `${color} on rgb(${background.map(Math.round)})`;
        const kind = `${element.localName}.${element.className} ${seen}`;
        if (!lines.has(kind))
          lines.set(kind, [describe(element), `${here()}: ${seen}, ${reached.toFixed(2)} to 1, at least ${least}`]);
      }
    }
    return [...lines.values()].slice(0, SAMPLE);
  }

  // What axe-core calls serious or critical.
  async function axe() {
    const { violations } = await globalThis.axe.run(document, {
      resultTypes: ["violations"],
      // It fetches style sheets, which a page on disk may not.
      preload: false,
      // Half of its time, and no more than what ``contrast`` looks at.
      rules: { "color-contrast": { enabled: false } },
    });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, impact, help, nodes }) => nodes.slice(0, SAMPLE).map(({ target }) =>
        [target.join(" "), `${id} (${impact}): ${help}; ${here()}`]));
  }

  // Links that the search page shows, once it has some; none after two seconds is none.
  async function results() {
    for (const end = performance.now() + 2000; performance.now() < end; ) {
      const shown = [...document.querySelectorAll("#search-results li a[href]")];
      if (shown.length) return shown.map((a) => [describe(a), a.href]);
      await new Promise((done) => setTimeout(done, 50));
    }
    return [];
  }

  return { settle, formulas, alt, links, wear, width, contrast, axe, results };
})();
