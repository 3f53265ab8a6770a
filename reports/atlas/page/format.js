// Numbers and names as people read them.

function numberText(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "not defined";
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "−infinite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e6 ? value.toExponential(digits - 1).replace(/\.?0+e/, "e") :
    String(Number(value.toPrecision(digits)));
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e");
}

function percentText(share, digits = 1) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits).replace("-", "−")} %` : "not defined";
}

function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    ++unit;
  }
  return `${unit === 0 ? bytes : bytes.toFixed(2)} ${units[unit]}`;
}

function headName({ layer, head }) {
  return `Layer ${layer}, head ${head}`;
}

function sentenceCase(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "key" or "keys". */
function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
