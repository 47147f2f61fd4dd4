// The loss around a mirror collapse, by activation and by the angle of c.
interactive.figure("collapse", (data) => {
  const LEVELS = [-0.03, -0.01, -0.003, -0.001, 0.001, 0.003, 0.01, 0.03];
  const NAMES = { linear: "Linear", relu: "ReLU", softplus: "Softplus", tanh: "tanh", gelu: "GELU", swish: "Swish" };
  const ZERO = 1e-9; // what is left of an exact zero
  const { number } = interactive;

  // The half that is kept holds y = 0 and above; (-x, -y) has the value of (x, y).
  function whole(half) {
    const below = half.slice(1).reverse().map((row) => row.toReversed());
    return [...below, ...half].map((row) => row.map((value) => data.unit * value));
  }

  function map(heights, title) {
    const num = heights.length;
    const { reach } = data;
    const x = d3.scaleLinear([-reach, reach], []);
    const y = d3.scaleLinear([-reach, reach], []);
    const svg = interactive.panel({ title, x, y, xlabel: "x, along the lowest", ylabel: "y, along the highest", height: 350 });
    // Contours count cells from their corners: the first value lies at 0.5.
    const place = (index) => -reach + (2 * reach * (index - 0.5)) / (num - 1);
    const path = d3.geoPath(d3.geoTransform({ point(i, j) { this.stream.point(x(place(i)), y(place(j))); } }));
    const [left, right] = x.range();
    const [bottom, top] = y.range();
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    const id = "interactive-collapse-box";
    const rectangle = (parent) => Object.entries(box).reduce((rect, [key, value]) => rect.attr(key, value), parent.append("rect"));
    rectangle(svg.append("clipPath").attr("id", id));
    const field = svg.insert("g", "g").attr("clip-path", `url(#${id})`);
    rectangle(field).attr("class", "interactive-level-0");
    const found = d3.contours().size([num, num]).thresholds(LEVELS)(heights.flat());
    field.append("g").selectAll("path").data(found).join("path").attr("d", path)
      .attr("class", (_, i) => `interactive-level-${i + 1}`);
    return svg.node();
  }

  function key() {
    const svg = d3.create("svg").attr("viewBox", [0, 0, 340, 44]).attr("role", "img")
      .attr("aria-label", "Colours of the map: blue below the start, orange above");
    const step = 320 / (LEVELS.length + 1);
    for (let i = 0; i <= LEVELS.length; i += 1)
      svg.append("rect").attr("class", `interactive-level-${i}`).attr("x", 10 + i * step).attr("width", step).attr("height", 12);
    svg.selectAll("text").data(LEVELS).join("text").attr("text-anchor", "middle")
      .attr("x", (_, i) => 10 + (i + 1) * step).attr("y", 26).text((level) => number(1000 * level));
    svg.append("text").attr("x", 170).attr("y", 41).attr("text-anchor", "middle").text("loss above that at collapse, in thousandths");
    return svg.node();
  }

  function eigenvalues(head, at) {
    const lines = [data.eigenvalues[head].map((all) => all[0]), data.eigenvalues[head].map((all) => all.at(-1))];
    const most = Math.max(0.01, d3.max(lines.flat(), Math.abs)) * 1.3;
    const x = d3.scaleLinear(d3.extent(data.angles), []);
    const y = d3.scaleSymlog([-most, most], []).constant(0.01);
    const ticks = [-1, -0.1, -0.01, 0, 0.01, 0.1, 1].filter((tick) => Math.abs(tick) <= most);
    const svg = interactive.panel({
      title: "Lowest and highest eigenvalue", x, y, xlabel: "angle of c, degrees", ylabel: "eigenvalue",
      height: 350, yticks: ticks, format: number,
    });
    svg.append("line").attr("class", "interactive-zero").attr("x1", x.range()[0]).attr("x2", x.range()[1]).attr("y1", y(0)).attr("y2", y(0));
    const line = d3.line((_, i) => x(data.angles[i]), y);
    lines.forEach((values, i) => {
      svg.append("path").attr("class", `interactive-line-${i ? 1 : 0}`).attr("d", line(values));
      svg.append("circle").attr("class", `interactive-fill-${i ? 1 : 0}`).attr("r", 5).attr("cx", x(data.angles[at])).attr("cy", y(values[at]));
    });
    return svg.node();
  }

  function shape(low, high) {
    if (Math.max(-low, high) <= ZERO) return "no curvature at all: a plain";
    const signs = `lowest eigenvalue ${number(low)}, highest ${number(high)}`;
    if (low >= -ZERO) return `${signs}: ${low > ZERO ? "a bowl" : "a trough"}, which the row does not leave while the head rests`;
    return `${signs}: ${high > ZERO ? "a saddle" : "a hill"}, which the row leaves while the head rests`;
  }

  return {
    title: "Loss around the mirror collapse by activation and angle of c",
    controls: [
      { key: "head", label: "Activation", kind: "select", values: () => data.heads, says: (head) => NAMES[head] ?? head, start: data.heads.length - 1 },
      { key: "angle", label: "Angle of c", values: () => data.angles, says: (angle) => `${angle}°`, start: data.angles.indexOf(45) },
    ],
    draw({ head: name, angle }) {
      const head = data.heads.indexOf(name);
      const at = data.angles.indexOf(angle);
      const all = data.eigenvalues[head][at];
      const left = document.createElement("div");
      left.append(map(whole(data.heights[head][at]), `Loss around the collapse, ${NAMES[name] ?? name}`), key());
      return {
        panels: [left, eigenvalues(head, at)],
        words: `${NAMES[name] ?? name}, c at ${angle} degrees: ${shape(all[0], all.at(-1))}.`,
      };
    },
  };
});
