// Tokens and the grids they stand in. Keys of a step: the tokens of its sources in order, in raster order (t, y, x).

function placeInGrid(step, token) {
  const area = step.h * step.w;
  return { t: Math.floor(token / area), y: Math.floor((token % area) / step.w), x: token % step.w };
}

/** The source step a key belongs to, and the key's place in that source's grid. */
function keyPlace(step, key) {
  let found = step.sources[0];
  for (const source of step.sources) if (source.offset <= key) found = source;
  const shape = steps[found.step];
  return { step: found.step, shape, ...placeInGrid(shape, key - found.offset) };
}

/** The place in `source` that corresponds to a place in `step`. */
function correspondingPlace(step, place, source) {
  const map = (value, from, to) => Math.floor(((value + 0.5) * to) / from);
  return {
    t: map(place.t, step.t, source.t),
    y: map(place.y, step.h, source.h),
    x: map(place.x, step.w, source.w),
  };
}

function placeText(shape, place) {
  if (!shape.grid) return `token ${place.x}`;
  return shape.t > 1 ? `(${place.t}, ${place.y}, ${place.x})` : `(${place.y}, ${place.x})`;
}

/** First and one past the last of `extent` tokens that lie in cell `cell` of `cells`. */
function cellBounds(cell, cells, extent) {
  return [Math.floor((cell * extent) / cells), Math.floor(((cell + 1) * extent) / cells)];
}

/** The cell that holds a token. */
function cellOf(token, cells, extent) {
  let cell = Math.min(cells - 1, Math.floor((token * cells) / extent));
  while (cellBounds(cell, cells, extent)[1] <= token) ++cell;
  while (cellBounds(cell, cells, extent)[0] > token) --cell;
  return cell;
}
