// Ellipses of equal embedding length on the four rings, by depth and training step.
interactive.figure("rings", (data) => {
  const LIMIT = 2.2;
  const SIZE = 340;
  const depths = data.metrics.map((_, i) => i + 1);
  const ringOf = ([x, y]) => data.radii.findIndex((radius) => Math.abs(Math.hypot(x, y) - radius) < 0.1);

  // All v with v'(G + ridge I) v = length, as in the chapter's still figure.
  function ellipse([a, b, c]) {
    const middle = (a + c) / 2 + data.ridge;
    const half = Math.hypot((a - c) / 2, b);
    // Entries are rounded: the smaller eigenvalue of G may come out below zero.
    const axis = (eigenvalue) => Math.sqrt(data.length / Math.max(eigenvalue, data.ridge));
    // The short axis is the eigenvector of the larger eigenvalue.
    return { short: axis(middle + half), long: axis(middle - half), angle: Math.atan2(2 * b, a - c) / 2 };
  }

  // Mean share of G's trace that lies along the ring.
  const along = (metrics) => d3.mean(metrics, ([a, b, c], i) => {
    const [x, y] = data.sites[i];
    return (y * y * a - 2 * x * y * b + x * x * c) / ((x * x + y * y) * (a + c));
  });

  function map(metrics, title) {
    const scale = d3.scaleLinear([-LIMIT, LIMIT], [0, SIZE]);
    const unit = scale(1) - scale(0);
    const svg = d3.create("svg").attr("viewBox", [0, 0, SIZE, SIZE + 26]).attr("role", "img").attr("aria-label", title);
    svg.append("text").attr("class", "interactive-title").attr("x", 6).attr("y", 16).text(title);
    const field = svg.append("g").attr("transform", "translate(0,26)");
    field.selectAll("circle").data(data.radii).join("circle").attr("class", "interactive-faint")
      .attr("cx", scale(0)).attr("cy", scale(0)).attr("r", (radius) => radius * unit);
    field.selectAll("ellipse").data(metrics.map(ellipse)).join("ellipse")
      .attr("class", (_, i) => `interactive-fill-${ringOf(data.sites[i])}`)
      .attr("rx", ({ short }) => short * unit).attr("ry", ({ long }) => long * unit)
      .attr("transform", ({ angle }, i) => {
        const [x, y] = data.sites[i];
        return `translate(${scale(x)},${scale(-y)}) rotate(${(-angle * 180) / Math.PI})`;
      });
    return svg.node();
  }

  function caps(depth, at) {
    // Most happens early: the axis is one of square roots.
    const last = data.steps.at(-1);
    const x = d3.scaleSqrt([0, last], []);
    const y = d3.scaleLinear([Math.min(-0.5, d3.min(data.caps.flat())), 4.1], []);
    const svg = interactive.panel({ title: "Functions found (cap)", x, y, xlabel: "training step", ylabel: "cap",
      height: SIZE + 26, xticks: [0, 0.05, 0.25, 0.5, 1].map((share) => Math.round(share * last)) });
    const line = d3.line((_, i) => x(data.steps[i]), y);
    svg.append("g").selectAll("path").data(data.caps).join("path").attr("d", line)
      .attr("class", (_, i) => (i + 1 === depth ? "interactive-line-1" : "interactive-line-faint"));
    // Lines that end at one height have their names one above the other.
    const end = (i) => y(data.caps[i].at(-1));
    const below = (i) => depths.filter((_, j) => j < i && Math.abs(end(j) - end(i)) < 12).length;
    svg.append("g").selectAll("text").data(data.caps).join("text").attr("text-anchor", "end")
      .attr("x", x(last)).attr("y", (_, i) => end(i) - 5 - 13 * below(i)).text((_, i) => `depth ${i + 1}`);
    svg.append("circle").attr("class", "interactive-fill-1").attr("r", 5)
      .attr("cx", x(data.steps[at])).attr("cy", y(data.caps[depth - 1][at]));
    return svg.node();
  }

  return {
    title: "Ellipses on the rings by depth and training step",
    controls: [
      { key: "depth", label: "Depth of the head", values: () => depths, says: String, start: 1 },
      { key: "step", label: "Training step", values: () => data.steps, says: String, start: data.steps.length - 1 },
    ],
    draw({ depth, step }) {
      const at = data.steps.indexOf(step);
      const metrics = data.metrics[depth - 1][at];
      const share = 100 * along(metrics);
      return {
        panels: [map(metrics, `Depth ${depth}, step ${step}`), caps(depth, at)],
        words: `Depth ${depth}, step ${step}: cap ${interactive.number(data.caps[depth - 1][at])}. Of the metric, ` +
          `${share < 10 ? share.toFixed(1) : share.toFixed(0)} % lies along the rings; 50 % is no preference.`,
      };
    },
  };
});
