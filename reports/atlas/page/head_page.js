// One head: its maps at every captured scale, large and folded, with statistics, budgets, errors and similar heads.

class HeadPage {
  constructor(root) {
    this.root = root;
    this.mapView = new MapView((cursor) => this.follow(cursor), (cursor) => this.pick(cursor));
    this.foldView = new FoldView((cursor) => this.pick(cursor));
    themeChanged.add(() => this.index !== undefined && !this.root.hidden && this.drawMap());
    window.addEventListener("resize", () => !this.root.hidden && this.map && this.mapView.layout());
  }

  show(route) {
    const [layer, head] = route.parts.map(Number);
    const valid = Number.isInteger(layer) && Number.isInteger(head) && layer >= 0 && layer < model.layers && head >= 0 && head < model.heads;
    if (!valid) {
      this.index = undefined;
      this.root.replaceChildren(element("h2", {}, "No such head"),
        element("p", {}, `The model has layers 0 to ${model.layers - 1} and heads 0 to ${model.heads - 1}. `, element("a", { href: "#/heads" }, "All heads")));
      return;
    }
    this.index = headIndex(layer, head);
    if (!headData(this.index)) {
      this.root.replaceChildren(element("p", { role: "status" }, "This head's data is still being read …"));
      document.addEventListener("DOMContentLoaded", () => routeListeners.forEach((listener) => listener()), { once: true });
      return;
    }
    this.readSettings(route.query);
    this.build();
  }

  readSettings(query) {
    const sources = mapSources(this.index);
    const step = Number(query.get("step"));
    const last = steps.length - 1;
    const branch = Number(query.get("branch") || 0);
    this.settings = {
      step: query.has("step") && step >= 0 && step <= last ? step : last,
      source: sources.includes(query.get("source")) ? query.get("source") : sources[0],
      branch: branch > 0 && branch < (atlas.attention.branches || 1) ? branch : 0,
      palette: paletteNames.includes(query.get("palette")) ? query.get("palette") : atlas.palette,
      scaling: kMapScalings.some(([name]) => name === query.get("scaling")) ? query.get("scaling") : "fixed",
      kept: query.get("kept") || "",
      show: ["plan", "difference"].includes(query.get("show")) ? query.get("show") : "captured",
      fold: query.get("fold") === "key" ? "key" : "query",
      image: query.get("image") !== "no",
      query: query.has("query") ? Number(query.get("query")) : undefined,
      key: query.has("key") ? Number(query.get("key")) : undefined,
    };
    const kept = replaysWithKept(this.index, this.settings.step);
    if (!kept.some(([number]) => number === this.settings.kept))
      this.settings.kept = this.settings.show === "captured" || kept.length === 0 ? "" : kept[kept.length - 1][0];
  }

  set(changes) {
    updateQuery(changes);
    this.readSettings(currentRoute().query);
    this.build();
  }

  /** The fold follows the cursor, once a frame. */
  follow(cursor) {
    this.settings.query = cursor.query;
    this.settings.key = cursor.key;
    if (this.folding) return;
    this.folding = requestAnimationFrame(() => {
      this.folding = 0;
      this.drawFold();
    });
  }

  /** Chosen cells stay in the address. */
  pick(cursor) {
    updateQuery({ query: cursor.query, key: cursor.key });
    this.mapView.moveCursor(cursor.query, cursor.key);
  }

  build() {
    const place = placeOfHead(this.index);
    const query = currentRoute().query;
    const carried = new Map([...query].filter(([name]) => !["query", "key"].includes(name)));
    this.root.replaceChildren(this.heading(place, carried));
    if (!this.settings.source) {
      this.root.append(element("p", { class: "missing" }, atlas.capture ? "The capture has no map of this head." :
        "No capture was given, so there are no maps: kvscope collect makes one, and --capture names it."));
    } else {
      this.film = element("div", { class: "film", role: "group", "aria-label": "Scales" });
      this.legend = element("div", { class: "legend-area" });
      this.notes = element("div", { class: "map-notes" });
      this.root.append(this.film, this.controls(), this.legend, element("div", { class: "map-and-fold" },
        element("div", {}, this.mapView.root, this.notes),
        element("div", { class: "fold-area" }, element("h3", {}, "Folded to the grids"), this.foldControls(), this.foldView.root)));
      this.drawFilm();
      this.drawMap();
    }
    this.appendStatistics(carried);
  }

  heading(place, query) {
    const neighbour = (text, layer, head, key) =>
      layer >= 0 && layer < model.layers && head >= 0 && head < model.heads ?
        element("a", { href: routeAddress("head", [layer, head], query), class: "button small", title: key, "data-key": key }, text) :
        element("span", { class: "button small off", "aria-hidden": "true" }, text);
    const classes = atlas.classes;
    const facts = [];
    if (classes) {
      facts.push(`${classes.score_label} ${numberText(floats(classes.score).values[this.index])}`);
      facts.push(`margin ${numberText(floats(classes.margin).values[this.index])}`);
      if (classes.confidence) facts.push(`confidence ${percentText(floats(classes.confidence).values[this.index], 0)}`);
      if (isBorderline(this.index)) facts.push("borderline");
    }
    return element("div", { class: "head-heading" },
      element("p", { class: "crumbs" }, element("a", { href: "#/heads", "data-key": "Escape" }, "All heads")),
      element("h2", { id: "head-title" }, headName(place)),
      element("p", { class: "meta" }, classes && element("span", { class: `chip ${classOf(this.index)}` }, classOf(this.index)), facts.join(", ")),
      element("p", { class: "neighbours" },
        neighbour("← previous head", place.layer, place.head - 1, "ArrowLeft"), neighbour("next head →", place.layer, place.head + 1, "ArrowRight"),
        neighbour("↑ layer above", place.layer - 1, place.head, "ArrowUp"), neighbour("↓ layer below", place.layer + 1, place.head, "ArrowDown")));
  }

  controls() {
    const { settings } = this;
    const sourceNames = { raw: "first sample, every weight", mean: `mean over ${counted(atlas.capture.samples, "sample")}` };
    const kept = replaysWithKept(this.index, settings.step);
    return element("div", { class: "controls" },
      choice("Map", mapSources(this.index).map((source) => [source, sourceNames[source]]), settings.source, (value) => this.set({ source: value }), { name: "source" }),
      atlas.attention.branches > 1 &&
        choice("Branch", model.branches.slice(0, atlas.attention.branches).map((name, i) => [String(i), name]), String(settings.branch), (value) => this.set({ branch: value }), { name: "branch" }),
      choice("Scaling", kMapScalings, settings.scaling, (value) => this.set({ scaling: value }), { name: "scaling" }),
      choice("Colours", paletteNames.map((name) => [name, name]), settings.palette, (value) => this.set({ palette: value }), { name: "palette" }),
      kept.length > 0 && choice("Kept keys", [["", "not shown"], ...kept.map(([number, name]) => [number, `of ${name}`])], settings.kept,
        (value) => this.set({ kept: value, show: value ? settings.show : "" }), { name: "kept" }),
      kept.length > 0 && choice("Show", [["captured", "captured attention"], ["plan", "left under the plan"], ["difference", "difference"]], settings.show,
        (value) => this.set({ show: value === "captured" ? "" : value }), { name: "show" }));
  }

  foldControls() {
    const { settings } = this;
    return element("div", { class: "controls" },
      choice("Fold", [["query", "one query: where it looks"], ["key", "one key: who looks at it"]], settings.fold, (value) => this.set({ fold: value === "query" ? "" : value }), { name: "fold" }),
      this.foldView.photo && element("label", { class: "choice check" },
        element("input", { type: "checkbox", name: "image", checked: settings.image, onchange: (event) => this.set({ image: event.target.checked ? "" : "no" }) }),
        element("span", {}, "over the generated image")));
  }

  drawFilm() {
    const { settings } = this;
    this.film.replaceChildren(...steps.map((step, i) => {
      const picture = smallMap(this.index, i, settings, 84);
      return element("button", { type: "button", class: "frame", "aria-pressed": String(i === settings.step), "data-step": i, onclick: () => this.set({ step: i, query: "", key: "" }) },
        picture || element("span", { class: "note" }, "no map"), element("span", {}, step.name));
    }));
  }

  drawMap() {
    const { settings } = this;
    const captured = attentionMap(this.index, settings.source, settings.branch, settings.step);
    this.map = captured;
    this.notes.replaceChildren();
    if (!captured) {
      this.mapView.root.hidden = this.foldView.root.hidden = true;
      this.legend.replaceChildren(element("p", { class: "missing" }, "There is no map at this scale."));
      return;
    }
    this.mapView.root.hidden = this.foldView.root.hidden = false;
    this.kept = settings.kept === "" ? null : keptKeys(this.index, settings.kept, settings.step);
    if (settings.show !== "captured" && this.kept && !captured.pooled) {
      const restricted = restrictedMap(captured, this.kept);
      this.map = settings.show === "plan" ? restricted : differenceMap(restricted, captured);
    }
    this.scale = this.map.signed ? signedScale(this.map) : mapScale(settings.scaling, this.map);
    this.legend.replaceChildren(this.map.signed ? this.signedLegend() : legendBar(this.scale, settings.palette, this.scale.caption));
    const label = `Attention of ${headName(placeOfHead(this.index))}, queries of ${captured.step.name}`;
    this.mapView.show(this.map, this.scale, settings.palette, this.map.signed ? null : this.kept, label);
    if (settings.query !== undefined) this.mapView.moveCursor(settings.query, settings.key || 0);
    this.writeNotes(captured);
    this.drawFold();
  }

  writeNotes(captured) {
    const { settings } = this;
    const codes = atlas.attention.codes;
    const lines = [];
    if (this.kept) {
      const count = this.kept.reduce((sum, bit) => sum + bit, 0);
      const share = captured.pooled ? "" : `; ${percentText(keptShare(captured, this.kept))} of this map's attention falls on them`;
      lines.push(`${atlas.replays[settings.kept].name} keeps ${count} of ${captured.keys} keys (dark marks above the map; others are grayed)${share}. ${keptOrigin(settings.kept)}`);
    }
    if (settings.show !== "captured" && captured.pooled) lines.push("Pooled maps cannot be restricted to kept keys: shown as captured.");
    else if (settings.show !== "captured" && this.kept) lines.push("Under the plan: the captured weights on the kept keys, scaled up to sum to 1. What the rest of the network makes of it is in the replay's errors below.");
    if (captured.pooled) lines.push(`Pooled from ${captured.queries} × ${captured.keys} weights to ${captured.rows} × ${captured.columns} cells, each a mean.`);
    lines.push(`Weights are stored in ${codes.bits} bits: relative error below ${percentText(codes.relative_error, codes.bits === 8 ? 1 : 3)}; below ${numberText(codes.floor)} as 0.`);
    this.notes.replaceChildren(...lines.map((line) => element("p", { class: "note" }, line)));
  }

  signedLegend() {
    const bar = element("div", { class: "legend-bar" });
    const stops = Array.from({ length: 65 }, (_, i) => cssColor(signedColor(i / 32 - 1)));
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    return element("div", { class: "legend-scale" }, element("p", { class: "legend-label" }, this.scale.caption), bar,
      element("div", { class: "legend-ticks ends" }, element("span", {}, "less"), element("span", {}, "more")));
  }

  drawFold() {
    if (!this.map) return;
    const { settings, map } = this;
    const middle = Math.floor(map.step.h / 2) * map.step.w + Math.floor(map.step.w / 2);
    const clamp = (value, size, otherwise) => (Number.isInteger(value) && value >= 0 && value < size ? value : otherwise);
    const cursor = { query: clamp(settings.query, map.queries, Math.min(middle, map.queries - 1)), key: clamp(settings.key, map.keys, map.keys - 1) };
    this.foldView.show(map, this.scale, settings.palette, cursor, settings.fold, settings.image, this.kept);
  }

  appendStatistics(query) {
    const { settings } = this;
    const part = (heading, ...content) => {
      const known = content.flat().filter(Boolean);
      if (known.length > 0) this.root.append(element("h3", {}, heading), element("div", { class: "plots" }, known));
    };
    part("Profiles", columnProfile(this.index, settings.step), diagonalProfile(this.index, settings.step),
      displacementFigure(this.index, settings.step, settings.palette));
    part("Over scales", atlas.scores.map((score) => scoreOverScales(score, this.index)));
    part("Over samples", atlas.scores.length > 0 && spreadFigure(this.index));
    part("With few tokens", headSensitivity(this.index));
    part("Under the plans", headBudgets(this.index), headErrors(this.index));
    part("Similar heads", similarHeads(this.index, settings, query));
  }
}
