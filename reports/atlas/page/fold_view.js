// A row or a column of the map folded back to the grids its tokens come from, over the image where there is one.

const kFoldSide = 116;

class FoldView {
  /** @param onPick  called with { query, key } when a token of a grid is chosen */
  constructor(onPick) {
    this.onPick = onPick;
    this.sentence = element("p", { class: "note" });
    this.grids = element("div", { class: "fold-grids" });
    this.readout = element("output", { class: "readout" });
    this.root = element("div", { class: "fold-view" }, this.sentence, this.grids, this.readout);
    this.photo = null;
    const image = atlas.capture && atlas.capture.image;
    if (image) {
      this.photo = new Image();
      this.photo.onload = () => this.map && this.draw();
      this.photo.src = image.data;
    }
  }

  /** @param by  "query": where one query looks; "key": which queries look at one key   @param kept  or null */
  show(map, scale, paletteName, { query, key }, by, overImage, kept) {
    Object.assign(this, { map, scale, paletteName, query, key, by, kept, overImage: overImage && Boolean(this.photo) });
    this.draw();
  }

  draw() {
    const { map } = this;
    const place = placeInGrid(map.step, this.query);
    const source = keyPlace(map.step, this.key);
    this.sentence.textContent = this.by === "query" ?
      `Where query ${placeText(map.step, place)} of ${map.step.name} looks, in every source scale. Its corresponding place is framed; choose another query in the first grid.` :
      `Which queries of ${map.step.name} look at key ${placeText(source.shape, source)} of ${source.shape.name}. Choose another key in the grids behind the first.`;
    const figures = this.by === "query" ? this.queryFigures(place) : this.keyFigures(source);
    this.grids.replaceChildren(...figures);
  }

  queryFigures(place) {
    const { map } = this;
    const own = this.grid(map.step, "query", (token) => (token === this.query ? 1 : null), place,
      (token) => this.onPick({ query: token, key: this.key }), () => "");
    return [own, ...map.step.sources.map((source) => {
      const shape = steps[source.step];
      const total = Array.from({ length: shape.queries }, (_, token) => weightAt(map, this.query, source.offset + token));
      const mass = total.reduce((sum, weight) => sum + weight, 0);
      return this.grid(shape, `${map.pooled ? "about " : ""}${percentText(mass)}`, (token) => total[token], correspondingPlace(map.step, place, shape),
        (token) => this.onPick({ query: this.query, key: source.offset + token }), (token) => this.weightText(total[token]), source.offset);
    })];
  }

  keyFigures(place) {
    const { map } = this;
    const column = Array.from({ length: map.queries }, (_, query) => weightAt(map, query, this.key));
    const corresponding = correspondingPlace(place.shape, place, map.step);
    const queries = this.grid(map.step, "queries", (token) => column[token], corresponding,
      (token) => this.onPick({ query: token, key: this.key }), (token) => this.weightText(column[token]));
    return [queries, ...map.step.sources.map((source) => {
      const shape = steps[source.step];
      const marked = source.step === place.step ? place : null;
      return this.grid(shape, "key", (token) => (source.offset + token === this.key ? 1 : null), marked,
        (token) => this.onPick({ query: this.query, key: source.offset + token }), () => "");
    })];
  }

  weightText(weight) {
    return this.map.signed ? `change ${numberText(weight, 4)}` : `weight ${numberText(weight, 4)}, ${numberText(weight * this.map.keys, 3)}× uniform`;
  }

  /** One h × w grid. `valueOf` gives a weight, or null for a token without one. */
  grid(shape, note, valueOf, marked, onToken, textOf, offset) {
    const rows = shape.t * shape.h;
    const cell = kFoldSide / Math.max(rows, shape.w);
    const width = cell * shape.w;
    const height = cell * rows;
    const canvas = element("canvas", { class: "fold", role: "img", "aria-label": `${shape.name}, ${note}` });
    const context = sizeCanvas(canvas, width, height);
    if (this.overImage) context.drawImage(this.photo, 0, 0, width, height);
    else {
      context.fillStyle = cssValue("--panel");
      context.fillRect(0, 0, width, height);
    }
    for (let token = 0; token < shape.queries; ++token) {
      const value = valueOf(token);
      if (value === null) continue;
      const { t, y, x } = placeInGrid(shape, token);
      const position = this.scale.signed ? Math.abs(value) / this.scale.largest : this.scale.position(value);
      const color = this.scale.signed ? signedColor(value / this.scale.largest) : colorAt(this.paletteName, position);
      context.globalAlpha = this.overImage ? 0.2 + 0.7 * position : 1;
      context.fillStyle = cssColor(color);
      context.fillRect(x * cell, (t * shape.h + y) * cell, cell + 0.3, cell + 0.3);
      if (this.kept && offset !== undefined && !this.kept[offset + token]) this.crossOut(context, x * cell, (t * shape.h + y) * cell, cell);
    }
    context.globalAlpha = 1;
    if (marked) this.frame(context, marked.x * cell, (marked.t * shape.h + marked.y) * cell, cell);
    const tokenAt = (event) => {
      const bounds = canvas.getBoundingClientRect();
      const x = Math.min(shape.w - 1, Math.max(0, Math.floor((event.clientX - bounds.left) / cell)));
      const y = Math.min(rows - 1, Math.max(0, Math.floor((event.clientY - bounds.top) / cell)));
      return y * shape.w + x;
    };
    canvas.addEventListener("pointermove", (event) => {
      const token = tokenAt(event);
      this.readout.textContent = `${shape.name} ${placeText(shape, placeInGrid(shape, token))} ${textOf(token)}`;
    });
    canvas.addEventListener("click", (event) => onToken(tokenAt(event)));
    return element("figure", {}, canvas, element("figcaption", {}, `${shape.name} · ${note}`));
  }

  crossOut(context, x, y, cell) {
    context.globalAlpha = 1;
    for (const [color, width] of [["#000000", 2], ["#ffffff", 1]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x + 0.25 * cell, y + 0.25 * cell);
      context.lineTo(x + 0.75 * cell, y + 0.75 * cell);
      context.stroke();
    }
  }

  frame(context, x, y, cell) {
    for (const [color, width] of [["#000000", 4], ["#ffffff", 1.6]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.strokeRect(x + 1, y + 1, Math.max(cell - 2, 1), Math.max(cell - 2, 1));
    }
  }
}
