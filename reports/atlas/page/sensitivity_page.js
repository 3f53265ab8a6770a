// Sensitivity: any figure of the heads against any other, with their rank correlation; a mark opens its head.

/** Rank of each value, 1 for the smallest; equal values share the mean of their ranks. */
function averageRanks(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) ++end;
    const rank = (first + 1 + end) / 2;
    for (; first < end; ++first) ranks[order[first]] = rank;
  }
  return ranks;
}

/** Spearman's rho: the correlation of the ranks; not-a-number where one side is constant. */
function rankCorrelation(a, b) {
  const [ranksA, ranksB] = [averageRanks(a), averageRanks(b)];
  const mean = (a.length + 1) / 2;
  let [both, onlyA, onlyB] = [0, 0, 0];
  for (let i = 0; i < a.length; ++i) {
    both += (ranksA[i] - mean) * (ranksB[i] - mean);
    onlyA += (ranksA[i] - mean) ** 2;
    onlyB += (ranksB[i] - mean) ** 2;
  }
  return both / Math.sqrt(onlyA * onlyB);
}

class RelationExplorer {
  constructor(container) {
    this.root = element("div", { class: "relation" });
    container.append(this.root);
    this.fields = fields.filter((field) => field.kind !== "class");
  }

  show(query) {
    const known = (id) => this.fields.find((field) => field.id === id);
    const least = this.fields.find((field) => field.group === "Sensitivity");
    const x = known(query.get("x")) || known("score:column_variance") || known("score") || least;
    const y = known(query.get("y")) || least;
    const set = (changes) => {
      updateQuery(changes);
      this.show(currentRoute().query);
    };
    const options = fieldOptions().map(({ group, options: all }) => ({ group, options: all.filter(([id]) => known(id)) }));
    this.root.replaceChildren(
      element("h2", {}, "Any figure against any other"),
      element("div", { class: "controls" },
        choice("Across", options, x.id, (value) => set({ x: value }), { name: "x" }),
        choice("Upwards", options, y.id, (value) => set({ y: value }), { name: "y" })),
      this.plot(x, y));
  }

  plot(x, y) {
    const step = Math.max(steps.length - 1, 0);
    const [across, upwards] = [x.at(step), y.at(step)];
    const heads = Array.from({ length: headCount }, (_, index) => index)
      .filter((index) => Number.isFinite(across[index]) && Number.isFinite(upwards[index]));
    const rho = rankCorrelation(heads.map((index) => across[index]), heads.map((index) => upwards[index]));
    const kinds = atlas.classes ? ["contextual", "structural"] : [null];
    const series = kinds.map((kind) => ({
      name: kind || "heads", style: kind || "series-1", kind: "dots", radius: 4, shape: kind === "structural" ? "square" : "disc",
      points: heads.filter((index) => classOf(index) === kind).map((index) => [across[index], upwards[index],
        `${headName(placeOfHead(index))}: ${x.label} ${numberText(across[index])}, ${y.label} ${numberText(upwards[index])}`,
        routeAddress("head", Object.values(placeOfHead(index)))]),
    }));
    const axis = (field) => ({ label: field.unit ? `${field.label}, ${field.unit}` : field.label, low: field.low, high: field.high, kind: field.kind === "log" ? "log" : "linear" });
    const where = steps.length > 0 && (x.perStep || y.perStep) ? ` at ${steps[step].name}` : "";
    const said = Number.isFinite(rho) ? `Spearman's rank correlation ${rho.toFixed(2).replace("-", "−")}` : "no rank correlation, since one of both is constant,";
    return drawPlot({ title: `${y.label} and ${x.label}${where}: ${said} over ${counted(heads.length, "head")}; a mark opens its head`,
      x: axis(x), y: axis(y), series, width: 640, height: 380 });
  }
}
