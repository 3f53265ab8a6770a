// The run's data as the program put it into the page, decoded where it is asked for.

const atlas = JSON.parse(document.getElementById("atlas-data").textContent);
const model = Object.assign({ layers: 0, heads: 0, kv_heads: 0, branches: ["conditional"] }, atlas.model);
const steps = atlas.steps;
const headCount = model.layers * model.heads;

function headIndex(layer, head) {
  return layer * model.heads + head;
}
function placeOfHead(index) {
  return { layer: Math.floor(index / model.heads), head: index % model.heads };
}
/** Number of the key/value head that a query head reads, among all of them. */
function keyValueHead(index) {
  const { layer, head } = placeOfHead(index);
  return layer * model.kv_heads + Math.floor(head / (model.heads / model.kv_heads));
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const decodedFloats = new WeakMap();

/** {shape, data} as { shape, values: Float32Array }; the data is little-endian on every machine. */
function floats(array) {
  if (!array) return null;
  if (!decodedFloats.has(array)) {
    const bytes = bytesOf(array.data);
    const view = new DataView(bytes.buffer);
    const values = new Float32Array(bytes.length / 4);
    for (let i = 0; i < values.length; ++i) values[i] = view.getFloat32(4 * i, true);
    decodedFloats.set(array, { shape: array.shape, values });
  }
  return decodedFloats.get(array);
}

/** Row `index` of a two-dimensional array. */
function floatRow(array, index) {
  const { shape, values } = floats(array);
  return values.subarray(index * shape[1], (index + 1) * shape[1]);
}

let weightTable = null;

/** Attention weights from their logarithmic codes (8 or 16 bits). */
function weightsOf(base64) {
  const { bits, floor } = atlas.attention.codes;
  const largest = 2 ** bits - 1;
  if (!weightTable) {
    weightTable = new Float32Array(largest + 1);
    for (let code = 1; code <= largest; ++code) weightTable[code] = floor ** ((largest - code) / (largest - 1));
  }
  const bytes = bytesOf(base64);
  if (bits === 8) return Float32Array.from(bytes, (code) => weightTable[code]);
  const weights = new Float32Array(bytes.length / 2);
  for (let i = 0; i < weights.length; ++i) weights[i] = weightTable[bytes[2 * i] + 256 * bytes[2 * i + 1]];
  return weights;
}

/** Shares in [0, 1] from 16 bits each. */
function sharesOf(base64) {
  const bytes = bytesOf(base64);
  const shares = new Float32Array(bytes.length / 2);
  for (let i = 0; i < shares.length; ++i) shares[i] = (bytes[2 * i] + 256 * bytes[2 * i + 1]) / 65535;
  return shares;
}

const parsedHeads = new Map();

/** What the page has of one head's attention; null while the document is still arriving. */
function headData(index) {
  if (!parsedHeads.has(index)) {
    const node = document.getElementById(`head-data-${index}`);
    if (!node) return null;
    parsedHeads.set(index, JSON.parse(node.textContent));
  }
  return parsedHeads.get(index);
}
