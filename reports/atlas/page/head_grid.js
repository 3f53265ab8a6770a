// The grid of all heads: layers downwards, heads to the right, coloured by one field; filter, sort, search, keyboard.

const kValuesUpTo = 12;  // heads a layer for which cells have room for a number

class HeadGrid {
  /** @param peek  an element beside the grid   @param onPeek  called with the head under pointer or focus */
  constructor(peek, onPeek) {
    this.onPeek = onPeek;
    this.root = element("div", { class: "grid-area" });
    this.controls = element("form", { class: "controls", onsubmit: (event) => event.preventDefault() });
    this.count = element("p", { class: "count", role: "status" });
    this.legend = element("div", { class: "legend-area" });
    this.table = element("div", { class: "head-grid", role: "grid", "aria-label": "Heads by layer" });
    this.table.addEventListener("keydown", (event) => this.onKey(event));
    this.root.append(this.controls, this.legend, element("div", { class: "grid-and-peek" }, element("div", {}, element("div", { class: "grid-scroll" }, this.table), this.count), peek));
    this.active = 0;
  }

  /** Settings as they stand in the address. */
  readSettings(query) {
    this.field = fieldOf(query.get("color"));
    const step = Number(query.get("step"));
    this.step = query.has("step") && step >= 0 && step < steps.length ? step : steps.length - 1;
    this.classFilter = query.get("class") || "all";
    this.sort = query.get("sort") || "place";
    this.search = query.get("q") || "";
    this.palette = paletteNames.includes(query.get("palette")) ? query.get("palette") : atlas.palette;
    this.scaling = query.get("scaling") || "default";
    this.low = query.has("from") ? Number(query.get("from")) : undefined;
    this.high = query.has("to") ? Number(query.get("to")) : undefined;
  }

  set(changes) {
    updateQuery(changes);
    this.show(currentRoute().query);
  }

  show(query) {
    this.readSettings(query);
    if (this.controls.childElementCount === 0) this.buildControls();
    this.syncControls();
    this.values = this.field.kind === "class" ? null : this.field.at(this.step);
    this.scale = this.values && this.makeScale();
    this.drawLegend();
    this.drawCells();
  }

  makeScale() {
    const kind = this.scaling === "default" ? this.field.kind : this.scaling;
    if (kind === "log" && !(this.field.low > 0)) {
      const range = roundRange(this.values, false, true);
      return makeScale("log", range[0], range[1]);
    }
    return makeScale(kind, this.field.low, this.field.high, this.values);
  }

  buildControls() {
    const stepChoice = choice("Scale", steps.map((step, i) => [String(i), step.name]), String(this.step),
      (value) => this.set({ step: value }), { name: "step" });
    this.searchBox = element("input", {
      type: "search", name: "q", placeholder: "layer 9 head 29", autocomplete: "off", spellcheck: "false",
      oninput: (event) => this.set({ q: event.target.value }),
      onkeydown: (event) => {
        if (event.key === "Enter") this.openFirst();
      },
    });
    const numberBox = (label, name) => element("label", { class: "choice bound" }, element("span", {}, label),
      element("input", { type: "number", step: "any", name, onchange: (event) => this.set({ [name]: event.target.value }) }));
    this.controls.append(
      choice("Colour by", fieldOptions(), this.field.id, (value) => this.set({ color: value }), { name: "color" }),
      steps.length > 0 ? stepChoice : "",
      choice("Class", [["all", "all heads"], ["contextual", "contextual"], ["structural", "structural"], ["borderline", "borderline"]],
        this.classFilter, (value) => this.set({ class: value === "all" ? "" : value }), { name: "class" }),
      numberBox("Value from", "from"), numberBox("to", "to"),
      choice("Order", [["place", "by layer and head"], ["up", "by rising value"], ["down", "by falling value"]], this.sort,
        (value) => this.set({ sort: value === "place" ? "" : value }), { name: "sort" }),
      choice("Colours", paletteNames.map((name) => [name, name]), this.palette,
        (value) => this.set({ palette: value === atlas.palette ? "" : value }), { name: "palette" }),
      choice("Scaling", [["default", "as the figure asks"], ["linear", "linear"], ["log", "logarithmic"], ["quantile", "quantiles"]],
        this.scaling, (value) => this.set({ scaling: value === "default" ? "" : value }), { name: "scaling" }),
      element("label", { class: "choice search" }, element("span", {}, "Find"), this.searchBox));
  }

  syncControls() {
    const settings = { color: this.field.id, step: String(this.step), class: this.classFilter, sort: this.sort,
      palette: this.palette, scaling: this.scaling, from: this.low ?? "", to: this.high ?? "", q: this.search };
    for (const input of this.controls.elements) {
      if (input.name in settings && input !== document.activeElement) input.value = settings[input.name];
      if (input.name === "step") input.disabled = !this.field.perStep;
      if (["palette", "scaling", "from", "to"].includes(input.name)) input.disabled = this.field.kind === "class";
    }
  }

  drawLegend() {
    if (!this.values) {
      this.legend.replaceChildren(classLegend());
      return;
    }
    const where = this.field.perStep && steps.length ? ` at ${steps[this.step].name}` : "";
    const range = `${numberText(this.scale.low)} to ${numberText(this.scale.high)}, ${this.scale.text}`;
    this.legend.replaceChildren(legendBar(this.scale, this.palette, `${this.field.label}${where}: ${range}`),
      this.field.note && element("p", { class: "note" }, this.field.note));
  }

  /** Heads the search speaks of: { layer, head } with either missing; null where it says nothing. */
  searched() {
    const text = this.search.toLowerCase();
    const layer = text.match(/l(?:ayer)?\s*(\d+)/);
    const head = text.match(/h(?:ead)?\s*(\d+)/);
    if (layer || head) return { layer: layer && Number(layer[1]), head: head && Number(head[1]) };
    const pair = text.match(/^\s*(\d+)\s*[.,/ ]\s*(\d+)\s*$/);
    if (pair) return { layer: Number(pair[1]), head: Number(pair[2]) };
    const single = text.match(/^\s*(\d+)\s*[.,/]?\s*$/);
    return single ? { layer: Number(single[1]), head: null } : null;
  }

  matches(index) {
    if (this.classFilter === "borderline" && !isBorderline(index)) return false;
    if (["contextual", "structural"].includes(this.classFilter) && classOf(index) !== this.classFilter) return false;
    if (this.values) {
      if (this.low !== undefined && !(this.values[index] >= this.low)) return false;
      if (this.high !== undefined && !(this.values[index] <= this.high)) return false;
    }
    const wanted = this.searched();
    if (!wanted) return this.search.trim() === "" || this.search.trim() === classOf(index);
    const place = placeOfHead(index);
    return (wanted.layer === null || place.layer === wanted.layer) && (wanted.head === null || place.head === wanted.head);
  }

  drawCells() {
    const all = Array.from({ length: headCount }, (_, index) => index);
    const matching = new Set(all.filter((index) => this.matches(index)));
    this.sorted = this.sort !== "place";
    const order = this.sorted ? all.filter((index) => matching.has(index)) : all;
    const keys = this.values || (atlas.classes && floats(atlas.classes.score).values);
    if (this.sorted && keys) {
      const sign = this.sort === "up" ? 1 : -1;
      const key = (index) => (Number.isNaN(keys[index]) ? Infinity : sign * keys[index]);
      order.sort((a, b) => key(a) - key(b) || a - b);
    }
    this.order = order;
    const columns = model.heads;
    this.table.style.setProperty("--columns", columns);
    this.table.classList.toggle("dense", columns > kValuesUpTo);
    this.table.classList.toggle("sorted", this.sorted);
    const rows = [];
    if (!this.sorted) rows.push(this.headerRow());
    for (let start = 0; start < order.length; start += columns) {
      const cells = order.slice(start, start + columns).map((index) => this.cell(index, matching.has(index)));
      const first = this.sorted ? null : element("span", { role: "rowheader", class: "axis" }, String(start / columns));
      rows.push(element("div", { role: "row" }, first, cells));
    }
    this.table.replaceChildren(...rows);
    if (!order.includes(this.active)) this.active = order.find((index) => matching.has(index)) ?? 0;
    const activeCell = this.cellOf(this.active);
    if (activeCell) activeCell.tabIndex = 0;
    this.count.textContent = matching.size === headCount ? `${headCount} heads` : `${matching.size} of ${headCount} heads`;
  }

  headerRow() {
    const labels = Array.from({ length: model.heads }, (_, head) =>
      element("span", { role: "columnheader", class: "axis" }, model.heads <= 20 || head % 5 === 0 ? String(head) : ""));
    return element("div", { role: "row" },
      element("span", { role: "columnheader", class: "axis corner" }, "L\\H"), labels);
  }

  cell(index, matching) {
    const place = placeOfHead(index);
    const name = this.nameOf(index);
    const link = element("a", {
      role: "gridcell", href: routeAddress("head", [place.layer, place.head], this.headQuery()), tabindex: -1, "data-head": index,
      "aria-label": name, class: `cell ${matching ? "" : "dimmed"} ${isBorderline(index) ? "borderline" : ""}`,
      onmouseenter: () => this.onPeek(index), onfocus: () => this.focused(index),
    });
    const value = this.values ? this.values[index] : atlas.classes && floats(atlas.classes.score).values[index];
    if (!this.values) link.classList.add(classOf(index) || "unknown");
    else if (Number.isFinite(value)) {
      const color = colorAt(this.palette, this.scale.position(value));
      link.style.backgroundColor = cssColor(color);
      link.style.color = textColorOn(color);
    } else link.classList.add("unknown");
    if (model.heads <= kValuesUpTo) {
      if (this.sorted) link.append(element("small", {}, `${place.layer}.${place.head}`));
      link.append(element("span", {}, Number.isFinite(value) ? numberText(value, 2) : ""));
    }
    return link;
  }

  nameOf(index) {
    const value = this.values ? `, ${this.field.label} ${numberText(this.values[index])}` : "";
    const kind = classOf(index) ? `, ${classOf(index)}${isBorderline(index) ? ", borderline" : ""}` : "";
    return headName(placeOfHead(index)) + kind + value;
  }

  /** What a head's page inherits from the grid. */
  headQuery() {
    return new Map([["palette", this.palette === atlas.palette ? "" : this.palette]]);
  }

  cellOf(index) {
    return this.table.querySelector(`[data-head="${index}"]`);
  }

  focused(index) {
    const before = this.cellOf(this.active);
    if (before) before.tabIndex = -1;
    this.active = index;
    const cell = this.cellOf(index);
    if (cell) cell.tabIndex = 0;
    this.onPeek(index);
  }

  focus(index = this.active) {
    const cell = this.cellOf(index);
    if (cell) cell.focus();
  }

  openFirst() {
    const wanted = this.searched();
    const exact = wanted && wanted.layer !== null && wanted.head !== null;
    const index = exact ? headIndex(wanted.layer, wanted.head) : this.order.find((other) => this.matches(other));
    const valid = exact ? wanted.layer < model.layers && wanted.head < model.heads : index !== undefined;
    if (valid) goTo("head", Object.values(placeOfHead(index)), this.headQuery());
  }

  onKey(event) {
    const at = this.order.indexOf(this.active);
    const columns = model.heads;
    const rowStart = at - (at % columns);
    const target = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns,
      Home: event.ctrlKey ? 0 : rowStart, End: event.ctrlKey ? this.order.length - 1 : Math.min(rowStart + columns, this.order.length) - 1,
    }[event.key];
    if (target === undefined || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (target >= 0 && target < this.order.length) this.focus(this.order[target]);
  }
}
