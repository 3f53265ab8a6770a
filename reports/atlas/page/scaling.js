// How numbers become positions on a colour map: linear, logarithmic, or by the quantiles of given values.

const kQuantiles = 256;

function quantilesOf(values) {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (sorted.length === 0) return null;
  return Float64Array.from({ length: kQuantiles }, (_, i) => {
    const place = (i / (kQuantiles - 1)) * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  });
}

/** Share of the quantiles below `value`, between neighbours interpolated. */
function quantilePosition(quantiles, value) {
  if (!(value > quantiles[0])) return 0;
  if (value >= quantiles[kQuantiles - 1]) return 1;
  let low = 0;
  let high = kQuantiles - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (quantiles[middle] <= value) low = middle;
    else high = middle;
  }
  const width = quantiles[high] - quantiles[low];
  return (low + (width > 0 ? (value - quantiles[low]) / width : 0)) / (kQuantiles - 1);
}

/**
 * { kind, low, high, position(value), ticks: [{ position, label }], text }.
 * @param values  of a quantile scale
 */
function makeScale(kind, low, high, values = []) {
  const clamp = (share) => Math.min(1, Math.max(0, share));
  if (kind === "quantile") {
    const quantiles = quantilesOf(values) || Float64Array.from({ length: kQuantiles }, (_, i) => i / (kQuantiles - 1));
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((position) => ({
      position,
      label: numberText(quantiles[Math.round(position * (kQuantiles - 1))], 2),
    }));
    return {
      kind, low: quantiles[0], high: quantiles[kQuantiles - 1], ticks, text: "by quantiles",
      position: (value) => quantilePosition(quantiles, value),
    };
  }
  if (kind === "log") {
    const span = Math.log(high / low);
    const position = (value) => (value > 0 ? clamp(Math.log(value / low) / span) : 0);
    return { kind, low, high, position, ticks: logarithmicTicks(low, high, position), text: "logarithmic" };
  }
  const position = (value) => clamp((value - low) / (high - low));
  return { kind: "linear", low, high, position, ticks: linearTicks(low, high, position), text: "linear" };
}

/** Multiples of 1, 2 or 5 times a power of ten. */
function roundStep(span, count) {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * 0.999);
  return factor * power;
}

function linearTicks(low, high, position, count = 5) {
  const ticks = [];
  const step = roundStep(high - low, count);
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    const value = i * step;
    ticks.push({ value, position: position(value), label: numberText(Number(value.toPrecision(10)), 4) });
  }
  return ticks;
}

function logarithmicTicks(low, high, position) {
  const ticks = [];
  const decades = Math.log10(high / low);
  const factors = decades <= 1.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / 6));
  for (let power = Math.floor(Math.log10(low) + 1e-9); power <= Math.ceil(Math.log10(high)); ++power) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value < low * 0.999 || value > high * 1.001 || (factor === 1 && power % every !== 0)) continue;
      ticks.push({ value, position: position(value), label: numberText(value, 3) });
    }
  }
  return ticks;
}

/** The smallest round range that holds all finite values. */
function roundRange(values, withZero, logarithmic) {
  const finite = Array.from(values).filter((value) => Number.isFinite(value) && (!logarithmic || value > 0));
  if (finite.length === 0) return logarithmic ? [0.1, 1] : [0, 1];
  let low = Math.min(...finite);
  let high = Math.max(...finite);
  if (logarithmic) {
    low = 10 ** Math.floor(Math.log10(low) + 1e-9);
    high = 10 ** Math.ceil(Math.log10(high) - 1e-9);
    return low < high ? [low, high] : [low, 10 * low];
  }
  if (withZero) {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (low === high) high = low + (Math.abs(low) || 1);
  const step = roundStep(high - low, 5);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}
