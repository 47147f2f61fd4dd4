// Weights of the canonical directions by loss, its setting and the correlations.
interactive.figure("whitening", (data) => {
  const { number } = interactive;
  const families = [...new Set(data.losses.map(({ family }) => family))];
  const members = new Map(families.map((name) => [name, data.losses.filter(({ family }) => family === name)]));
  const FIRST = "VICReg"; // what a reader finds, at a setting with trained heads
  const LOST = 0.01; // of the largest weight, as in the chapter

  function correlations(lowest, num) {
    return d3.range(num).map((i) => data.highest + ((lowest - data.highest) * i) / (num - 1));
  }

  // Condition of what is kept and the number of lost directions.
  function measured(weights) {
    const kept = weights.filter((weight) => weight >= LOST * d3.max(weights));
    const all = d3.max(weights) > 0 ? kept : [];
    return { condition: all.length ? d3.max(all) / d3.min(all) : NaN, lost: weights.length - all.length };
  }

  // Weights over their mean: a white output is a level line at 1.
  function relative(weights) {
    const mean = d3.mean(weights);
    return weights.map((weight) => (mean ? weight / mean : 0));
  }

  function weightsPanel(loss, weights, lowest) {
    const rho = correlations(lowest, data.num_outputs);
    const line = weights ? relative(weights) : [];
    const tried = lowest === data.trained_at ? (data.trained[loss.title] ?? []).map(relative) : [];
    const x = d3.scaleLinear([0, 1], []);
    const y = d3.scaleLinear([0, Math.max(2, 1.08 * (d3.max([...line, ...tried.flat()]) ?? 0))], []);
    const svg = interactive.panel({ title: loss.title, x, y, xlabel: "canonical correlation", ylabel: "weight over mean weight" });
    const [left, right] = x.range();
    svg.append("line").attr("class", "interactive-zero").attr("x1", left).attr("x2", right).attr("y1", y(1)).attr("y2", y(1));
    svg.append("text").attr("x", left + 4).attr("y", y(1) - 4).text("white");
    svg.append("path").attr("class", "interactive-line-0").attr("d", d3.line((_, i) => x(rho[i]), y)(line));
    if (!tried.length)
      svg.append("g").selectAll("circle").data(line).join("circle").attr("class", "interactive-fill-0").attr("r", 3)
        .attr("cx", (_, i) => x(rho[i])).attr("cy", y);
    for (const dots of tried)
      svg.append("g").selectAll("circle").data(dots).join("circle").attr("class", "interactive-fill-1").attr("r", 3)
        .attr("cx", (_, i) => x(rho[i])).attr("cy", y);
    return svg.node();
  }

  function conditionPanel(loss, lowest) {
    const values = loss.weights.map((weights) => (weights ? measured(weights).condition : NaN));
    const x = d3.scaleLinear([0, 1], []);
    const y = d3.scaleLog([1, Math.max(20, 1.5 * (d3.max(values) ?? 1))], []);
    const svg = interactive.panel({
      title: "Condition of what is kept", x, y, xlabel: "lowest correlation", ylabel: "condition",
      yticks: [1, 2, 5, 10, 20, 50, 100, 200, 500].filter((tick) => tick <= y.domain()[1]), format: number,
    });
    const line = d3.line((_, i) => x(data.lowest[i]), y).defined(Number.isFinite);
    svg.append("path").attr("class", "interactive-line-0").attr("d", line(values));
    const value = values[data.lowest.indexOf(lowest)];
    if (Number.isFinite(value))
      svg.append("circle").attr("class", "interactive-fill-0").attr("r", 5).attr("cx", x(lowest)).attr("cy", y(value));
    return svg.node();
  }

  function said(loss, weights, lowest) {
    const where = `${loss.title}, correlations ${number(data.highest)} to ${number(lowest)}`;
    if (!weights) return `${where}: no closed form is known here.`;
    const { condition, lost } = measured(weights);
    if (lost === weights.length) return `${where}: every direction is lost.`;
    const dots = lowest === data.trained_at && data.trained[loss.title] ? " Orange: what training found." : "";
    return `${where}: condition ${number(condition)} of what is kept, ${lost || "none"} of ${weights.length} directions lost.${dots}`;
  }

  return {
    title: "Weights of the canonical directions by loss and correlation",
    controls: [
      { key: "family", label: "Loss", kind: "select", values: () => families, says: String, start: families.indexOf(FIRST) },
      { key: "loss", label: "Its setting", values: ({ family }) => members.get(family), says: ({ title }) => /\((.*)\)/.exec(title)?.[1] ?? "none",
        start: members.get(FIRST).findIndex(({ title }) => title in data.trained) },
      { key: "lowest", label: "Lowest correlation", values: () => data.lowest, says: number, start: data.lowest.indexOf(data.trained_at) },
    ],
    draw({ loss, lowest }) {
      const weights = loss.weights[data.lowest.indexOf(lowest)];
      return {
        panels: [weightsPanel(loss, weights, lowest), conditionPanel(loss, lowest)],
        words: said(loss, weights, lowest),
      };
    },
  };
});
