// Small plots as SVG: lines with bands, dots and bars over two axes. Text stays text.

const kPlotMargin = { left: 56, right: 14, top: 14, bottom: 42 };

/** Axis: { label, low, high, kind: "linear" | "log", ticks: [[value, text], ...] (else round ones) }. */
function axisScale(axis) {
  const scale = makeScale(axis.kind || "linear", axis.low, axis.high);
  const ticks = axis.ticks ?
    axis.ticks.map(([value, label]) => ({ position: scale.position(value), label })) : scale.ticks;
  return { position: scale.position, ticks };
}

/** Every tick, or every second, third, ... until texts of usual length do not touch; then those that still would go. */
function fittingTicks(ticks, width, textWidth = (label) => 6.2 * label.length + 6) {
  const longest = Math.max(0, ...ticks.map(({ label }) => textWidth(label)));
  const gaps = ticks.slice(1).map(({ position }, i) => (position - ticks[i].position) * width);
  const even = gaps.length > 0 && Math.max(...gaps) < 1.5 * Math.min(...gaps);
  const every = even ? Math.max(1, Math.ceil(longest / Math.min(...gaps))) : 1;
  let last = -Infinity;
  return ticks.filter(({ position, label }, i) => {
    const half = textWidth(label) / 2;
    const middle = position * width;
    if (i % every !== 0 || middle - half < last) return false;
    last = middle + half;
    return true;
  });
}

function plotAxes(plot, x, y) {
  const { width, height, left, top } = plot;
  const bottom = top + height;
  const right = left + width;
  const parts = [];
  for (const tick of y.scale.ticks) {
    const at = bottom - tick.position * height;
    parts.push(svgElement("line", { x1: left, x2: right, y1: at, y2: at, class: "line-grid" }));
    parts.push(svgElement("text", { x: left - 6, y: at + 4, "text-anchor": "end", class: "fill-muted" }, tick.label));
  }
  for (const tick of fittingTicks(x.scale.ticks, width)) {
    const at = left + tick.position * width;
    parts.push(svgElement("text", { x: at, y: bottom + 16, "text-anchor": "middle", class: "fill-muted" }, tick.label));
  }
  parts.push(svgElement("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "line-muted" }));
  parts.push(svgElement("text", { x: left + width / 2, y: bottom + 34, "text-anchor": "middle", class: "fill-ink" }, x.label));
  parts.push(svgElement("text",
    { transform: `translate(13 ${top + height / 2}) rotate(-90)`, "text-anchor": "middle", class: "fill-ink" }, y.label));
  return parts;
}

const kDashes = ["", "6 3", "2 3", "8 3 2 3", "1 3", "10 4", "4 2 1 2", "3 6"];

/** A disc or a square of the same area. */
function dotOf(series, x, y, radius, ...children) {
  const style = { class: `fill-${series.style === undefined ? "ink" : series.style}` };
  if (series.shape !== "square") return svgElement("circle", { ...style, cx: x.toFixed(1), cy: y.toFixed(1), r: radius }, ...children);
  const half = 0.89 * radius;
  return svgElement("rect", { ...style, x: (x - half).toFixed(1), y: (y - half).toFixed(1), width: 2 * half, height: 2 * half }, ...children);
}

function seriesParts(plot, x, y, series) {
  const px = (value) => plot.left + x.scale.position(value) * plot.width;
  const py = (value) => plot.top + plot.height * (1 - y.scale.position(value));
  const style = series.style === undefined ? "ink" : series.style;
  const known = series.points.filter(([, value]) => Number.isFinite(value));
  const parts = [];
  if (series.band) {
    const ends = series.band.filter(([, low, high]) => Number.isFinite(low) && Number.isFinite(high));
    if (ends.length > 1) {
      const outline = [...ends.map(([at, , high]) => [at, high]), ...ends.map(([at, low]) => [at, low]).reverse()];
      parts.push(svgElement("polygon",
        { points: outline.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" "), class: `band fill-${style}` }));
    }
  }
  if (series.kind === "bars") {
    const half = (series.barWidth || 1) / 2;
    for (const [at, value] of known) {
      const [left, right] = [px(at - half), px(at + half)];
      parts.push(svgElement("rect",
        { x: left, width: Math.max(0.5, right - left), y: py(value), height: Math.max(0, py(y.low) - py(value)),
          class: `fill-${style}` }));
    }
  } else if (series.kind !== "dots" && known.length > 1) {
    parts.push(svgElement("polyline",
      { points: known.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" "),
        class: `curve line-${style}`, "stroke-dasharray": series.dash || undefined }));
  }
  if (series.kind === "dots" || (known.length <= 24 && !series.kind)) {
    for (const [a, b, title, href] of known) {
      const dot = dotOf(series, px(a), py(b), series.radius || 3, title && svgElement("title", {}, title));
      parts.push(href ? svgElement("a", { href, "aria-label": title }, dot) : dot);
    }
  }
  return parts;
}

/**
 * @param options { title, x, y, series: [{ name, style, points: [[x, y, title, href]], band, kind, dash }], marks, width, height }
 *   with shape "square" in place of "disc" for dots; marks: vertical lines [{ x, text }]
 */
function drawPlot(options) {
  const width = options.width || 440;
  const height = options.height || 250;
  const plot = {
    left: kPlotMargin.left, top: kPlotMargin.top,
    width: width - kPlotMargin.left - kPlotMargin.right, height: height - kPlotMargin.top - kPlotMargin.bottom,
  };
  const x = { ...options.x, scale: axisScale(options.x) };
  const y = { ...options.y, scale: axisScale(options.y) };
  const marks = (options.marks || []).map((mark) => {
    const at = plot.left + x.scale.position(mark.x) * plot.width;
    return svgElement("line", { x1: at, x2: at, y1: plot.top, y2: plot.top + plot.height, class: "line-grid" });
  });
  const svg = svgElement("svg",
    { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": options.title,
      style: `min-width: ${Math.round(0.85 * width)}px` },  // narrower, texts would be too small: then the box scrolls
    plotAxes(plot, x, y), marks, options.series.map((series) => seriesParts(plot, x, y, series)));
  const named = options.series.filter((series) => series.name);
  return element("figure", { class: "plot-figure" },
    element("figcaption", {}, options.title),
    element("div", { class: "plot-box" }, svg),
    named.length > 1 && element("p", { class: "plot-names" }, named.map((series) =>
      element("span", {}, lineSample(series), series.name))));
}

function lineSample(series) {
  const style = series.style === undefined ? "ink" : series.style;
  const sample = series.kind === "dots" || series.kind === "bars" ?
    dotOf(series, 12, 6, 4) :
    svgElement("line", { x1: 0, x2: 24, y1: 6, y2: 6, class: `curve line-${style}`, "stroke-dasharray": series.dash || undefined });
  return svgElement("svg", { width: 24, height: 12, viewBox: "0 0 24 12", "aria-hidden": "true" }, sample);
}

function seriesStyle(number) {
  return { style: `series-${(number % 8) + 1}`, dash: kDashes[Math.floor(number / 8) % kDashes.length] };
}

/** Ticks of an axis of steps, 0, 1, ..., named by their grids. */
function stepAxis(list, label = "Scale") {
  return { label, low: -0.3, high: Math.max(list.length - 0.7, 0.7), ticks: list.map((step, i) => [i, step.name]) };
}
