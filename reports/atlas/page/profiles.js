// What the statistics say of one head: columns, bands, displacements, scores over scales and samples, budgets, errors.

/** Column means of one step in multiples of uniform attention, with their spread over samples. */
function columnProfile(index, stepIndex) {
  const data = headData(index);
  if (!data.columns || !data.columns[stepIndex]) return null;
  const step = steps[stepIndex];
  const means = weightsOf(data.columns[stepIndex]);
  const spread = data.spread && data.spread[stepIndex] ? weightsOf(data.spread[stepIndex]) : null;
  const points = Array.from(means, (mean, key) => [key, mean * step.keys]);
  const band = spread && Array.from(means, (mean, key) =>
    [key, Math.max(0, mean - spread[key]) * step.keys, (mean + spread[key]) * step.keys]);
  const [, high] = roundRange((band || points).map((entry) => entry[entry.length - 1]), true, false);
  const figure = drawPlot({
    title: `Column means at ${step.name}: attention a key gets, mean over queries and samples`,
    x: { label: "Key, by source scale", low: -0.5, high: step.keys - 0.5,
      ticks: step.sources.map((source) => [source.offset + steps[source.step].queries / 2 - 0.5, steps[source.step].name]) },
    y: { label: "× uniform", low: 0, high },
    marks: step.sources.filter((source) => source.offset > 0).map((source) => ({ x: source.offset - 0.5 })),
    series: [{ style: "series-1", kind: "bars", points, band }], width: 680,
  });
  figure.append(element("p", { class: "note" },
    spread ? "Bars: mean; shaded: one standard deviation over samples to both sides." : "How columns move from sample to sample is not in this page for this scale."));
  return figure;
}

/** Share of a source's attention within Chebyshev distance r of the corresponding place. */
function diagonalProfile(index, stepIndex) {
  const data = headData(index);
  if (!data.bands || !data.bands[stepIndex]) return null;
  const shares = sharesOf(data.bands[stepIndex]);
  const radii = atlas.band_radii;
  const step = steps[stepIndex];
  const width = 1 + radii.length;
  const series = step.sources.map((source, i) => {
    const mass = shares[i * width];
    const within = radii.map((_, r) => (mass > 0 ? Math.min(1, shares[i * width + 1 + r] / mass) : NaN));
    return { name: `${steps[source.step].name} (${percentText(mass, 0)} of all)`, ...seriesStyle(i),
      points: [...within.map((share, r) => [r, share]), [radii.length, mass > 0 ? 1 : NaN]] };
  });
  return drawPlot({
    title: `Diagonal profile at ${step.name}: attention near the corresponding place, by source scale`,
    x: { label: "Within Chebyshev distance, tokens of the source", low: -0.2, high: radii.length + 0.2,
      ticks: [...radii.map((radius, r) => [r, String(radius)]), [radii.length, "any"]] },
    y: { label: "Share of the source's attention", low: 0, high: 1 },
    series,
  });
}

/** Where keys lie relative to the corresponding place, one histogram for each source scale. */
function displacementFigure(index, stepIndex, paletteName) {
  const data = headData(index);
  if (!data.displacement || !data.displacement[stepIndex]) return null;
  const weights = weightsOf(data.displacement[stepIndex]);
  const side = 2 * atlas.displacement_radius + 1;
  const scale = makeScale("log", 1e-5, 1);
  const step = steps[stepIndex];
  const readout = element("output", { class: "readout" }, "Point at a cell: displacement of the key from the corresponding place, in tokens of the source.");
  const figures = step.sources.map((source, i) => {
    const part = weights.subarray(i * side * side, (i + 1) * side * side);
    const map = { weights: part, rows: side, columns: side };
    const canvas = mapImage(map, scale, paletteName);
    canvas.className = "displacement";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Displacements to ${steps[source.step].name}`);
    canvas.addEventListener("pointermove", (event) => {
      const bounds = canvas.getBoundingClientRect();
      const x = Math.min(side - 1, Math.floor(((event.clientX - bounds.left) / bounds.width) * side));
      const y = Math.min(side - 1, Math.floor(((event.clientY - bounds.top) / bounds.height) * side));
      const signed = (value) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));
      const far = (value) => (Math.abs(value) === atlas.displacement_radius ? " or beyond" : "");
      const [dy, dx] = [y - atlas.displacement_radius, x - atlas.displacement_radius];
      readout.textContent = `${steps[source.step].name}: dy ${signed(dy)}${far(dy)}, dx ${signed(dx)}${far(dx)}: ${numberText(part[y * side + x], 3)} of all attention`;
    });
    return element("figure", {}, canvas, element("figcaption", {}, steps[source.step].name));
  });
  return element("figure", { class: "plot-figure wide" },
    element("figcaption", {}, `Displacement histograms at ${step.name}: attention by (dy, dx) from the corresponding place, −${atlas.displacement_radius} to ${atlas.displacement_radius}, by source scale`),
    element("div", { class: "fold-grids" }, figures), readout,
    legendBar(scale, paletteName, "Share of all attention, fixed logarithmic, 1e-5 to 1"));
}

/** A score of one head over scales, with its interval, against the means of both classes. */
function scoreOverScales(score, index) {
  const mean = floatRow(score.mean, index);
  const points = Array.from(mean, (value, step) => [step, value]);
  const band = score.interval_low && Array.from(mean, (_, step) =>
    [step, floatRow(score.interval_low, index)[step], floatRow(score.interval_high, index)[step]]);
  const series = [{ name: "this head", style: "ink", points, band }];
  for (const [letter, name] of [["C", "contextual"], ["S", "structural"]]) {
    if (!atlas.classes) break;
    const members = [...atlas.classes.letters].flatMap((other, i) => (other === letter ? [i] : []));
    const meanOf = (step) => {
      const values = members.map((member) => floatRow(score.mean, member)[step]).filter(Number.isFinite);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    if (members.length > 0)
      series.push({ name: `mean of ${name} heads`, style: name, dash: "4 3", points: points.map(([step]) => [step, meanOf(step)]) });
  }
  return drawPlot({
    title: `${score.title} over scales`, x: stepAxis(steps),
    y: { label: score.title, low: score.low, high: score.high, kind: score.logarithmic ? "log" : "linear" },
    series, width: 360, height: 220,
  });
}

/** Every score of every sample at the last step: how much the head changes from sample to sample. */
function spreadFigure(index) {
  const withSamples = atlas.scores.filter((score) => score.samples);
  if (withSamples.length === 0) return null;
  const rows = withSamples.map((score) => {
    const samples = floatRow(score.samples, index);
    const finite = Array.from(samples).filter(Number.isFinite);
    if (finite.length === 0) return null;
    const scale = makeScale(score.logarithmic ? "log" : "linear", score.low, score.high);
    const strip = svgElement("svg", { class: "strip-plot", viewBox: "0 0 300 22", role: "img",
      "aria-label": `${score.title}, ${finite.length} samples from ${numberText(Math.min(...finite))} to ${numberText(Math.max(...finite))}` },
      svgElement("line", { x1: 4, x2: 296, y1: 11, y2: 11, class: "line-grid" }),
      finite.map((value) => svgElement("circle", { cx: 4 + 292 * scale.position(value), cy: 11, r: 3, class: "fill-series-1 sample" })));
    const deviation = score.deviation ? floatRow(score.deviation, index)[steps.length - 1] : NaN;
    return element("tr", {}, element("th", { scope: "row" }, score.title),
      element("td", { class: "number" }, numberText(score.low, 2)), element("td", {}, strip),
      element("td", { class: "number" }, numberText(score.high, 2)),
      element("td", { class: "number" }, numberText(floatRow(score.mean, index)[steps.length - 1])),
      element("td", { class: "number" }, numberText(deviation)));
  });
  return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Spread over samples" },
    element("table", { class: "spread" },
      element("caption", {}, `Spread over samples at ${steps[steps.length - 1].name}: one dot a sample`),
      element("thead", {}, element("tr", {}, ["Score", "From", "Samples", "To", "Mean", "Standard deviation"].map((text) =>
        element("th", { scope: "col" }, text)))),
      element("tbody", {}, rows)));
}

/** What this head costs by the tokens it carries, against the means of both classes. */
function headSensitivity(index) {
  if (!atlas.sensitivity) return null;
  const { points, rules } = atlas.sensitivity;
  const costOf = (point, other) => floats(point.cost).values[other];
  const all = points.flatMap((point) => Array.from(floats(point.cost).values));
  const [low, high] = roundRange(all, false, true);
  const meanOf = (point, members) => members.reduce((sum, other) => sum + costOf(point, other), 0) / members.length;
  const series = [{ name: "this head", style: "ink", points: points.map((point) => [point.tokens, costOf(point, index),
    `${point.label}: ${numberText(costOf(point, index))} by rule ${rules[point.rule[index]]}`]) }];
  for (const kind of atlas.classes ? ["contextual", "structural"] : []) {
    const members = Array.from({ length: headCount }, (_, other) => other).filter((other) => classOf(other) === kind);
    if (members.length > 0)
      series.push({ name: `mean of ${kind} heads`, style: kind, dash: "4 3", points: points.map((point) => [point.tokens, meanOf(point, members)]) });
  }
  const [first, last] = [points[0].tokens, points[points.length - 1].tokens];
  return drawPlot({
    title: "Sensitivity by tokens carried, with the cheapest rule",
    x: { label: "Tokens carried", low: first / 1.2, high: last * 1.2, kind: "log", ticks: points.map(({ tokens }) => [tokens, numberText(tokens, 4)]) },
    y: { label: "Nats per token", low, high, kind: "log" }, series,
  });
}

/** What every plan keeps of this head, scale by scale. */
function headBudgets(index) {
  const usable = atlas.plans.filter((plan) => plan.steps.length === steps.length);
  if (usable.length === 0) return null;
  const row = keyValueHead(index);
  const seriesOf = (name) => usable.map((plan) => ({
    name: plan.name, ...seriesStyle(plan.style), points: Array.from(floatRow(plan[name], row), (count, step) => [step, count]),
  }));
  const high = steps.length ? steps[steps.length - 1].keys : 1;
  const axis = (label) => ({ label, low: 0, high: roundRange([high], true, false)[1] });
  return [
    drawPlot({ title: "Keys attended to, by plan", x: stepAxis(steps), y: axis("Keys"), series: seriesOf("attend") }),
    drawPlot({ title: "Tokens carried on after the scale, by plan", x: stepAxis(steps), y: axis("Tokens"), series: seriesOf("carry") }),
  ];
}

/** Error of this head's output under every replayed plan. */
function headErrors(index) {
  const series = (mode) => atlas.replays.filter((replay) => replay[mode] && replay[mode].output_error.shape[1] === headCount)
    .map((replay) => ({ name: replay.name, ...seriesStyle(replay.style),
      points: Array.from({ length: replay.step_count }, (_, step) => [step, floatRow(replay[mode].output_error, step)[index]]) }));
  return [["forced", "Teacher-forced"], ["free", "Free-running"]].map(([mode, name]) => {
    const all = series(mode);
    if (all.length === 0) return null;
    const high = Math.max(1, roundRange(all.flatMap((one) => one.points.map((point) => point[1])), true, false)[1]);
    return drawPlot({ title: `${name} error of this head's output, by plan`, x: stepAxis(steps), y: { label: "Relative error", low: 0, high }, series: all });
  });
}
