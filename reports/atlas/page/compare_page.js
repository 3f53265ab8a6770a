// Methods at equal bytes: any figure of any methods against the size of the cache, with the Pareto front.

class MethodExplorer {
  constructor(container) {
    this.root = element("div", { class: "methods" });
    container.append(this.root);
  }

  show(query) {
    const { compare } = atlas;
    const known = compare.figures.filter(({ name }) => compare.cells.some((cell) => cell.figures[name] && cell.figures[name][0] !== null));
    if (known.length === 0) return;
    const figure = known.find(({ name }) => name === query.get("figure")) || known[0];
    const all = query.get("methods") === "all";
    const set = (changes) => {
      updateQuery(changes);
      this.show(currentRoute().query);
    };
    const cells = compare.cells.filter((cell) => (all || !compare.methods[cell.method].variant) && cell.figures[figure.name] && cell.figures[figure.name][0] !== null)
      .map((cell) => ({ ...cell, name: compare.methods[cell.method].name, size: (100 * cell.bytes) / compare.lossless_bytes,
        value: cell.figures[figure.name][0], low: cell.figures[figure.name][1], high: cell.figures[figure.name][2] }));
    const front = paretoFront(cells, figure.more_is_better);
    this.root.replaceChildren(
      element("h2", {}, "Quality against size"),
      element("div", { class: "controls" },
        choice("Figure", known.map(({ name, title }) => [name, title]), figure.name, (value) => set({ figure: value }), { name: "figure" }),
        compare.methods.some(({ variant }) => variant) && choice("Methods", [["main", "with their own split"], ["all", "with every split"]], all ? "all" : "main",
          (value) => set({ methods: value === "main" ? "" : value }), { name: "methods" })),
      this.plot(figure, cells, front),
      element("p", { class: "note" }, `On the Pareto front, by size: ${front.map(({ name, budget }) => `${name} at ${numberText(100 * budget)} %`).join(", ")}.`));
  }

  plot(figure, cells, front) {
    const ends = cells.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
    const positive = figure.logarithmic && cells.some(({ value }) => value > 0);
    const [low, high] = roundRange(ends, false, positive);
    const numbers = [...new Set(cells.map(({ method }) => method))];
    // As in the document's charts: variants of a split come after the methods themselves.
    const order = [false, true].flatMap((variant) => [...atlas.compare.methods.keys()].filter((number) => atlas.compare.methods[number].variant === variant));
    const series = numbers.map((number) => {
      const own = cells.filter(({ method }) => method === number).sort((a, b) => a.size - b.size);
      return { name: own[0].name, ...seriesStyle(order.indexOf(number)), dash: kDashes[order.indexOf(number) % kDashes.length],
        points: own.map(({ size, value, name, budget }) => [size, value, `${name} at ${numberText(100 * budget)} %: ${numberText(value)}`]),
        band: own.map((cell) => [cell.size, cell.low ?? cell.value, cell.high ?? cell.value]) };
    });
    series.push({ name: "Pareto front", style: "muted", dash: "5 4", kind: "line", points: front.map(({ size, value }) => [size, value]) });
    return drawPlot({ title: `${figure.title} against the size of the cache; ${figure.more_is_better ? "upper" : "lower"} left is better`,
      x: { label: "Cache, % of lossless", low: 0, high: roundRange(cells.map(({ size }) => size), true, false)[1] },
      y: { label: figure.label, low, high, kind: positive ? "log" : "linear" }, series, width: 760, height: 380 });
  }
}
