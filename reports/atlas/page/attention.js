// One head's attention at one step, as the page has it: every weight, or cells that are means of several.

/** Which maps of a head there are at any step: "raw" (first sample), "mean" (over samples). */
function mapSources(index) {
  const data = headData(index);
  return ["raw", "mean"].filter((source) => data && data[source] && data[source][0] && data[source][0].some(Boolean));
}

/** { weights, rows, columns, queries, keys, step, source, pooled }, or null where there is none. */
function attentionMap(index, source, branch, stepIndex) {
  const data = headData(index);
  const texts = data && data[source] && data[source][branch];
  if (!texts || !texts[stepIndex]) return null;
  const [rows, columns] = atlas.attention[`${source}_shapes`][stepIndex];
  const step = steps[stepIndex];
  return {
    weights: weightsOf(texts[stepIndex]), rows, columns, queries: step.queries, keys: step.keys, step, stepIndex, source,
    pooled: rows !== step.queries || columns !== step.keys,
  };
}

/** The weight from a query to a key; where cells are pooled, the mean of the cell that holds both. */
function weightAt(map, query, key) {
  return map.weights[cellOf(query, map.rows, map.queries) * map.columns + cellOf(key, map.columns, map.keys)];
}

/**
 * What is left of a map when only the keys in `kept` may be attended to: each query's weights on them, scaled up to sum to 1.
 * Exact for the same queries and keys. Needs every weight.
 */
function restrictedMap(map, kept) {
  const weights = new Float32Array(map.weights.length);
  for (let row = 0; row < map.rows; ++row) {
    const start = row * map.columns;
    let sum = 0;
    for (let key = 0; key < map.columns; ++key) if (kept[key]) sum += map.weights[start + key];
    for (let key = 0; key < map.columns; ++key) weights[start + key] = kept[key] && sum > 0 ? map.weights[start + key] / sum : 0;
  }
  return { ...map, weights };
}

function differenceMap(after, before) {
  return { ...before, weights: after.weights.map((weight, i) => weight - before.weights[i]), signed: true };
}

/** Share of the attention that falls on the kept keys, mean over queries. */
function keptShare(map, kept) {
  let sum = 0;
  for (let row = 0; row < map.rows; ++row)
    for (let key = 0; key < map.columns; ++key) if (kept[key]) sum += map.weights[row * map.columns + key];
  return sum / map.rows;
}

/** Scalings of attention. Fixed ones are the same for every head, scale and run. */
const kMapScalings = [
  ["fixed", "fixed, logarithmic"], ["fixed-linear", "fixed, linear"], ["log", "this map, logarithmic"],
  ["linear", "this map, linear"], ["quantile", "this map, quantiles"],
];

/** A scale with `caption`: what is coloured how, in words. */
function mapScale(name, map) {
  const uniform = 1 / map.keys;
  const values = map.weights;
  let high = 0;
  let low = Infinity;
  for (const value of values) {
    if (value > high) high = value;
    if (value > 0 && value < low) low = value;
  }
  if (!(low < high)) low = high > 0 ? high / 10 : uniform / 10;
  if (!(high > low)) high = 10 * low;
  const { low: fixedLow, high: fixedHigh } = atlas.attention_scale;
  if (name === "fixed-linear") {
    const scale = makeScale("linear", 0, 1);
    return { ...scale, caption: "Attention weight, fixed linear, 0 to 1" };
  }
  if (name === "quantile")
    return { ...makeScale("quantile", 0, 1, values), caption: `Attention weight by quantiles of this map, ${numberText(low)} to ${numberText(high)}` };
  if (name === "linear")
    return { ...makeScale("linear", 0, high), caption: `Attention weight, this map, linear, 0 to ${numberText(high)}` };
  if (name === "log") {
    const floor = Math.max(low, high / 1e5);
    return { ...makeScale("log", floor, high), caption: `Attention weight, this map, logarithmic, ${numberText(floor)} to ${numberText(high)}` };
  }
  const multiples = makeScale("log", fixedLow, fixedHigh);
  return {
    ...multiples, position: (value) => multiples.position(value * map.keys),
    ticks: multiples.ticks.map((tick) => ({ ...tick, label: `${tick.label}×` })),
    caption: `Attention in multiples of uniform (1/${map.keys} = ${numberText(uniform)}), fixed logarithmic, ${fixedLow}× to ${fixedHigh}×`,
  };
}

/** Less is blue, more is orange, none is the background: a signed scale that the colour-blind can read. */
function signedScale(map) {
  let largest = 0;
  for (const value of map.weights) largest = Math.max(largest, Math.abs(value));
  largest = largest || 1;
  const scale = makeScale("linear", -largest, largest);
  return { ...scale, signed: true, largest, caption: `Weight under the plan − captured, −${numberText(largest)} to ${numberText(largest)}` };
}

function signedColor(share) {
  const end = share < 0 ? [20, 90, 170] : [200, 85, 0];
  const amount = Math.sqrt(Math.min(1, Math.abs(share)));
  return end.map((level) => Math.round(247 + (level - 247) * amount));
}

/** The map as an image, one pixel a cell. */
function mapImage(map, scale, paletteName) {
  const canvas = element("canvas", { width: map.columns, height: map.rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(map.columns, map.rows);
  const colors = palette(paletteName);
  for (let i = 0; i < map.weights.length; ++i) {
    let color;
    if (scale.signed) color = signedColor(map.weights[i] / scale.largest);
    else {
      const level = 3 * levelOf(scale.position(map.weights[i]));
      color = [colors[level], colors[level + 1], colors[level + 2]];
    }
    image.data.set([color[0], color[1], color[2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
