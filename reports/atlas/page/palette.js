// Colour maps: 256 colours each, from low to high; the tables come from the program.

const paletteNames = Object.keys(atlas.palettes);
const paletteBytes = new Map();

/** [256 * 3] red, green, blue. */
function palette(name) {
  if (!paletteBytes.has(name)) {
    const hex = atlas.palettes[name] || atlas.palettes[atlas.palette];
    paletteBytes.set(name, Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.substr(2 * i, 2), 16)));
  }
  return paletteBytes.get(name);
}

function levelOf(position) {
  return position >= 0 ? Math.min(255, Math.floor(position * 255 + 0.5)) : 0;
}

function colorAt(name, position) {
  const colors = palette(name);
  const level = 3 * levelOf(position);
  return [colors[level], colors[level + 1], colors[level + 2]];
}

function cssColor([red, green, blue]) {
  return `rgb(${red}, ${green}, ${blue})`;
}

/** Relative luminance of WCAG 2. */
function luminance(color) {
  const [red, green, blue] = color.map((level) => {
    const share = level / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Black or white, whichever contrasts more; the worse of both ratios is 4.58, above what WCAG AA asks for. */
function textColorOn(color) {
  const own = luminance(color);
  return (own + 0.05) / 0.05 >= 1.05 / (own + 0.05) ? "#000000" : "#ffffff";
}
