// One attention map, large: scale borders, labels in both token grids, zoom, pan, a cursor for pointer and keys.

const kMapMargin = { left: 46, top: 14, bottom: 34, right: 8 };
const kMostZoom = 64;

class MapView {
  /** @param onCursor  called with { query, key } whenever the cursor moves   @param onPick  on click or Enter */
  constructor(onCursor, onPick) {
    this.onCursor = onCursor;
    this.onPick = onPick;
    this.canvas = element("canvas", { class: "map", tabindex: 0, role: "img" });
    this.readout = element("output", { class: "readout" });
    this.root = element("div", { class: "map-view" },
      element("div", { class: "map-tools" },
        button("Zoom in", () => this.zoomBy(2), { class: "small" }), button("Zoom out", () => this.zoomBy(0.5), { class: "small" }),
        button("Whole map", () => this.reset(), { class: "small" })),
      this.canvas, this.readout);
    this.zoom = 1;
    this.offset = { x: 0, y: 0 };  // of the visible part, in shares of the map
    this.pointers = new Map();
    this.listen();
  }

  /** @param kept  Uint8Array [keys] or null */
  show(map, scale, paletteName, kept, label) {
    const other = !this.map || this.map.stepIndex !== map.stepIndex;
    this.map = map;
    this.scale = scale;
    this.kept = kept;
    this.image = mapImage(map, scale, paletteName);
    this.canvas.setAttribute("aria-label", label);
    if (other) {
      this.cursor = null;
      this.zoom = 1;
      this.offset = { x: 0, y: 0 };
    }
    this.layout();
  }

  layout() {
    const available = this.root.clientWidth || 600;
    const inner = Math.max(120, Math.min(available, 820) - kMapMargin.left - kMapMargin.right);
    const height = Math.max(90, Math.min(560, (inner * this.map.queries) / this.map.keys));
    this.box = { x: kMapMargin.left, y: kMapMargin.top, width: inner, height };
    this.context = sizeCanvas(this.canvas, inner + kMapMargin.left + kMapMargin.right, height + kMapMargin.top + kMapMargin.bottom);
    this.draw();
    this.say();
  }

  // Between shares of the map and pixels.
  toX(share) {
    return this.box.x + (share - this.offset.x) * this.zoom * this.box.width;
  }
  toY(share) {
    return this.box.y + (share - this.offset.y) * this.zoom * this.box.height;
  }
  toShare(x, y) {
    return {
      x: this.offset.x + (x - this.box.x) / this.box.width / this.zoom,
      y: this.offset.y + (y - this.box.y) / this.box.height / this.zoom,
    };
  }

  draw() {
    const { context, box, map } = this;
    const width = box.width + kMapMargin.left + kMapMargin.right;
    context.clearRect(0, 0, width, box.height + kMapMargin.top + kMapMargin.bottom);
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, this.toX(0), this.toY(0), this.zoom * box.width, this.zoom * box.height);
    if (this.kept) this.drawLost();
    this.drawBorders();
    this.drawCursor();
    context.restore();
    if (this.kept) this.drawKeptStrip();
    this.drawLabels();
    context.strokeStyle = cssValue("--muted");
    context.lineWidth = 1;
    context.strokeRect(box.x - 0.5, box.y - 0.5, box.width + 1, box.height + 1);
    this.canvas.style.touchAction = this.zoom > 1 ? "none" : "pan-y";
  }

  /** Keys that were not kept are hatched over, so that the map below stays readable. */
  drawLost() {
    const { context, box, map } = this;
    context.fillStyle = "rgba(128, 128, 128, 0.62)";
    for (let key = 0; key < map.keys; ++key) {
      if (this.kept[key]) continue;
      const left = this.toX(key / map.keys);
      context.fillRect(left, box.y, this.toX((key + 1) / map.keys) - left + 0.3, box.height);
    }
  }

  /** A dark mark above each kept key. */
  drawKeptStrip() {
    const { context, box, map } = this;
    context.fillStyle = cssValue("--ink");
    for (let key = 0; key < map.keys; ++key) {
      if (!this.kept[key]) continue;
      const left = Math.max(this.toX(key / map.keys), box.x);
      const right = Math.min(this.toX((key + 1) / map.keys), box.x + box.width);
      if (right > left) context.fillRect(left, box.y - 8, Math.max(right - left - 0.5, 0.6), 5);
    }
  }

  /** White with a dark rim: seen on every colour. */
  drawBorders() {
    const { context, box, map } = this;
    for (const [color, width] of [["#000000", 2], ["#ffffff", 1]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      for (const source of map.step.sources) {
        if (source.offset === 0) continue;
        const x = this.toX(source.offset / map.keys);
        context.moveTo(x, box.y);
        context.lineTo(x, box.y + box.height);
      }
      context.stroke();
    }
  }

  drawCursor() {
    if (!this.cursor) return;
    const { context, map } = this;
    const left = this.toX(this.cursor.key / map.keys);
    const top = this.toY(this.cursor.query / map.queries);
    const width = Math.max(this.toX((this.cursor.key + 1) / map.keys) - left, 2);
    const height = Math.max(this.toY((this.cursor.query + 1) / map.queries) - top, 2);
    for (const [color, line] of [["#000000", 3], ["#ffffff", 1.2]]) {
      context.strokeStyle = color;
      context.lineWidth = line;
      context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
    }
  }

  drawLabels() {
    const { context, box, map } = this;
    context.fillStyle = cssValue("--muted");
    context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    context.textAlign = "center";
    for (const source of map.step.sources) {
      const shape = steps[source.step];
      const from = Math.max(this.toX(source.offset / map.keys), box.x);
      const to = Math.min(this.toX((source.offset + shape.queries) / map.keys), box.x + box.width);
      if (to - from > context.measureText(shape.name).width + 2)
        context.fillText(shape.name, (from + to) / 2, box.y + box.height + 13);
    }
    context.fillText("keys, by source scale", box.x + box.width / 2, box.y + box.height + 28);
    context.textAlign = "right";
    const first = Math.max(0, Math.floor(this.offset.y * map.queries));
    const last = Math.min(map.queries, Math.ceil((this.offset.y + 1 / this.zoom) * map.queries));
    const rowHeight = (this.zoom * box.height) / map.queries;
    const every = Math.max(1, Math.ceil(14 / rowHeight / map.step.w)) * map.step.w;
    for (let query = Math.ceil(first / every) * every; query < last; query += every) {
      const place = placeInGrid(map.step, query);
      context.fillText(map.step.grid ? `y ${place.y}` : String(query), box.x - 6, this.toY((query + 0.5) / map.queries) + 4);
    }
    context.save();
    context.translate(11, box.y + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText("queries", 0, 0);
    context.restore();
  }

  listen() {
    const { canvas } = this;
    const at = (event) => {
      const bounds = canvas.getBoundingClientRect();
      return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
    };
    canvas.addEventListener("pointerdown", (event) => {
      this.pointers.set(event.pointerId, at(event));
      this.dragged = false;
      if (this.zoom > 1) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => this.onMove(event, at(event)));
    const up = (event) => this.pointers.delete(event.pointerId);
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", up);
    canvas.addEventListener("click", (event) => {
      if (this.dragged) return;
      this.pointTo(at(event));
      if (this.cursor) this.onPick(this.cursor);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  onMove(event, point) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.pointTo(point);
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (others.length === 1) {
      const other = others[0][1];
      const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      this.zoomBy(distance(point, other) / distance(before, other), { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
      this.dragged = true;
    } else if (this.zoom > 1 && Math.hypot(point.x - before.x, point.y - before.y) > 2) {
      this.panBy(point.x - before.x, point.y - before.y);
      this.dragged = true;
    } else return;
    this.pointers.set(event.pointerId, point);
  }

  pointTo(point) {
    const share = this.toShare(point.x, point.y);
    if (point.x < this.box.x || point.x >= this.box.x + this.box.width || point.y < this.box.y || point.y >= this.box.y + this.box.height) return;
    this.moveCursor(Math.floor(share.y * this.map.queries), Math.floor(share.x * this.map.keys));
  }

  moveCursor(query, key) {
    const clamp = (value, size) => Math.max(0, Math.min(size - 1, value));
    this.cursor = { query: clamp(query, this.map.queries), key: clamp(key, this.map.keys) };
    this.draw();
    this.say();
    this.onCursor(this.cursor);
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { query, key } = this.cursor || { query: 0, key: 0 };
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (moves[event.key]) this.moveCursor(query + moves[event.key][0], key + moves[event.key][1]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(2);
    else if (event.key === "-") this.zoomBy(0.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter") this.onPick({ query, key });
    else return;
    this.keepCursorInSight();
    event.preventDefault();
    event.stopPropagation();
  }

  keepCursorInSight() {
    if (!this.cursor || this.zoom === 1) return;
    const shares = { x: (this.cursor.key + 0.5) / this.map.keys, y: (this.cursor.query + 0.5) / this.map.queries };
    for (const axis of ["x", "y"]) {
      const span = 1 / this.zoom;
      if (shares[axis] < this.offset[axis] || shares[axis] > this.offset[axis] + span) this.offset[axis] = shares[axis] - span / 2;
    }
    this.clampOffset();
    this.draw();
  }

  zoomBy(factor, point) {
    const centre = point || (this.cursor && this.zoom === 1 ?
      { x: this.toX((this.cursor.key + 0.5) / this.map.keys), y: this.toY((this.cursor.query + 0.5) / this.map.queries) } :
      { x: this.box.x + this.box.width / 2, y: this.box.y + this.box.height / 2 });
    const share = this.toShare(centre.x, centre.y);
    this.zoom = Math.max(1, Math.min(kMostZoom, this.zoom * factor));
    this.offset.x = share.x - (centre.x - this.box.x) / this.box.width / this.zoom;
    this.offset.y = share.y - (centre.y - this.box.y) / this.box.height / this.zoom;
    this.clampOffset();
    this.draw();
  }

  panBy(dx, dy) {
    this.offset.x -= dx / this.box.width / this.zoom;
    this.offset.y -= dy / this.box.height / this.zoom;
    this.clampOffset();
    this.draw();
  }

  clampOffset() {
    for (const axis of ["x", "y"]) this.offset[axis] = Math.max(0, Math.min(1 - 1 / this.zoom, this.offset[axis]));
  }

  reset() {
    this.zoom = 1;
    this.offset = { x: 0, y: 0 };
    this.draw();
  }

  /** What lies under the cursor, in words. */
  say() {
    const { map, cursor, readout } = this;
    if (!cursor) {
      readout.textContent = "Point at the map, or focus it and use the arrow keys; + and − zoom, a click keeps the place in the address.";
      for (const name of ["query", "key", "weight"]) delete readout.dataset[name];
      return;
    }
    const source = keyPlace(map.step, cursor.key);
    const queryPlace = placeInGrid(map.step, cursor.query);
    const weight = weightAt(map, cursor.query, cursor.key);
    Object.assign(readout.dataset, { query: cursor.query, key: cursor.key, weight: String(weight) });
    const floor = atlas.attention.codes.floor;
    const value = map.signed ? `change ${numberText(weight, 4)}` :
      weight > 0 ? `weight ${numberText(weight, 4)}, ${numberText(weight * map.keys, 3)}× uniform` : `weight below ${numberText(floor)}`;
    const cells = map.pooled ? `, mean of a cell of ${Math.round(map.queries / map.rows)} × ${Math.round(map.keys / map.columns)}` : "";
    const fate = this.kept ? (this.kept[cursor.key] ? "; key kept" : "; key not kept") : "";
    readout.textContent = `Query ${placeText(map.step, queryPlace)} of ${map.step.name} → key ${placeText(source.shape, source)} of ` +
      `${source.shape.name} (row ${cursor.query}, column ${cursor.key}): ${value}${cells}${fate}`;
  }
}
