// Plans: what every layer, class and head keeps at every scale, in tokens and bytes.

class PlanExplorer {
  constructor(container) {
    this.root = element("div", { class: "plan-explorer" });
    container.append(this.root);
  }

  show(query) {
    this.plan = atlas.plans.find((plan) => plan.name === query.get("plan")) || atlas.plans[atlas.plans.length - 1];
    this.count = query.get("count") === "attend" ? "attend" : "carry";
    const { plan } = this;
    const set = (changes) => {
      updateQuery(changes);
      this.show(currentRoute().query);
    };
    this.root.replaceChildren(
      element("h2", {}, "Every layer and head, by scale"),
      element("div", { class: "controls" },
        choice("Plan", atlas.plans.map(({ name }) => [name, name]), plan.name, (value) => set({ plan: value }), { name: "plan" }),
        choice("Count", [["carry", "tokens carried on"], ["attend", "keys attended to"]], this.count, (value) => set({ count: value }), { name: "count" })),
      element("div", { class: "plots" }, this.byLayer(), this.byHead()),
      ...plan.notes.map((note) => element("p", { class: "note" }, note)));
  }

  /** Mean over the heads of every layer, one line a layer would be a thicket: a heat map of layers × scales. */
  byLayer() {
    const { plan } = this;
    const rows = floats(plan[this.count]);
    const nStep = plan.steps.length;
    const all = plan.steps[nStep - 1].keys;
    const scale = makeScale("linear", 0, 1);
    const cells = Array.from({ length: model.layers }, (_, layer) => element("tr", {},
      element("th", { scope: "row" }, String(layer)),
      plan.steps.map((step, k) => {
        let sum = 0;
        let bytes = 0;
        for (let head = 0; head < model.kv_heads; ++head) {
          const row = layer * model.kv_heads + head;
          const tokens = rows.values[row * nStep + k];
          sum += tokens;
          bytes += tokens * plan.token_bytes[row];
        }
        const mean = sum / model.kv_heads;
        const color = colorAt(atlas.palette, scale.position(mean / all));
        const cell = element("td", { class: "heat number", title: `layer ${layer}, ${step.name}: ${numberText(sum)} tokens in ${counted(model.kv_heads, "head")}, ${bytesText(bytes)} per sample` }, numberText(mean, 3));
        cell.style.backgroundColor = cssColor(color);
        cell.style.color = textColorOn(color);
        return cell;
      })));
    return element("figure", { class: "plot-figure wide" },
      element("figcaption", {}, `${plan.name}: ${this.count === "carry" ? "tokens carried on after" : "keys attended to at"} each scale, mean over the heads of a layer`),
      element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Layers by scale" },
        element("table", { class: "heat-table" },
          element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Layer"), plan.steps.map((step) => element("th", { scope: "col" }, step.name)))),
          element("tbody", {}, cells))),
      legendBar(scale, atlas.palette, `Share of all ${all} tokens, fixed linear, 0 to 1`));
  }

  /** One dot a head at the scale where budgets bind most: all heads, sorted by class and count. */
  byHead() {
    const { plan } = this;
    const { values } = floats(plan[this.count]);
    const nStep = plan.steps.length;
    const largest = (row) => Math.max(...values.subarray(row * nStep, (row + 1) * nStep));
    const count = model.layers * model.kv_heads;
    const points = Array.from({ length: count }, (_, row) => {
      const layer = Math.floor(row / model.kv_heads);
      const head = (row % model.kv_heads) * (model.heads / model.kv_heads);
      const tokens = largest(row);
      const text = `${headName({ layer, head })}: ${tokens} tokens, ${bytesText(tokens * plan.token_bytes[row])}, rule ${plan.rule_names[plan.rule_of_head[row]]}`;
      return { kind: classOf(headIndex(layer, head)) || "ink", point: [layer + (row % model.kv_heads + 0.5) / model.kv_heads - 0.5, tokens, text, routeAddress("head", [layer, head])] };
    });
    const kinds = [...new Set(points.map(({ kind }) => kind))];
    return drawPlot({
      title: `${plan.name}: most ${this.count === "carry" ? "tokens carried" : "keys attended to"} of every head, by layer`,
      x: { label: "Layer", low: -0.6, high: model.layers - 0.4, ticks: Array.from({ length: model.layers }, (_, layer) => [layer, String(layer)]) },
      y: { label: "Tokens", low: 0, high: roundRange([plan.steps[nStep - 1].keys], true, false)[1] },
      series: kinds.map((kind) => ({ name: kind === "ink" ? "heads" : kind, style: kind, kind: "dots", points: points.filter((one) => one.kind === kind).map(({ point }) => point) })),
      width: 560, height: 280,
    });
  }
}
