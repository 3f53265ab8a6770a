// Classification: sorted scores with the split, every head a link; comparison with other classifications.

function sortedScoresPlot() {
  const { classes } = atlas;
  const scores = floats(classes.score).values;
  const order = Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b] || a - b);
  const positive = scores.every((value) => value > 0);
  const range = roundRange(scores, false, positive);
  const series = ["contextual", "structural"].map((name) => ({
    name, style: name, kind: "dots", shape: name === "structural" ? "square" : "disc",
    points: order.flatMap((index, rank) => (classOf(index) === name ?
      [[rank + 1, scores[index], `${headName(placeOfHead(index))}: ${numberText(scores[index])}`, routeAddress("head", Object.values(placeOfHead(index)))]] : [])),
  }));
  if (classes.threshold !== undefined)
    series.push({ name: `split at ${numberText(classes.threshold)}`, style: "ink", dash: "5 4", kind: "line", points: [[0, classes.threshold], [order.length + 1, classes.threshold]] });
  return drawPlot({
    title: "All heads by rising score; a dot opens its head",
    x: { label: "Heads by rising score", low: 0, high: order.length + 1 },
    y: { label: classes.score_label, low: range[0], high: range[1], kind: positive ? "log" : "linear" },
    series, width: 760, height: 320,
  });
}

/** Both classifications in one grid: left half of a cell this one, right half the other. */
function comparisonGrid(comparison) {
  const rows = Array.from({ length: model.layers }, (_, layer) => element("div", { role: "row" },
    element("span", { class: "axis", role: "rowheader" }, String(layer)),
    Array.from({ length: model.heads }, (_unused, head) => {
      const index = headIndex(layer, head);
      const nameOf = (letter) => (letter === "C" ? "contextual" : "structural");
      const [own, other] = [nameOf(atlas.classes.letters[index]), nameOf(comparison.letters[index])];
      const text = own === other ? `both ${own}` : `here ${own}, in ${comparison.name} ${other}`;
      return element("a", { role: "gridcell", class: `cell halves ${own === other ? "" : "differs"}`, href: routeAddress("head", [layer, head]),
        "aria-label": `${headName({ layer, head })}: ${text}`, title: `${headName({ layer, head })}: ${text}` },
        element("i", { class: own }), element("i", { class: other }));
    })));
  const grid = element("div", { class: `head-grid compare ${model.heads > kValuesUpTo ? "dense" : ""}`, role: "grid", "aria-label": `Comparison with ${comparison.name}` }, rows);
  grid.style.setProperty("--columns", model.heads);
  return grid;
}

function comparisonPart(comparison) {
  const differing = [...atlas.classes.letters].filter((letter, i) => letter !== comparison.letters[i]).length;
  return element("div", { class: "comparison" },
    element("h2", {}, `Compared with ${comparison.name}`),
    element("p", {}, `Method ${comparison.method}: ${percentText(comparison.agreement)} of the heads have the same class (${counted(differing, "head")} ${differing === 1 ? "differs" : "differ"}); ` +
      `Jaccard index of the contextual heads ${comparison.jaccard.toFixed(3)}; Cohen's kappa ${comparison.kappa === null ? "not defined" : comparison.kappa.toFixed(3)}. ` +
      "Left half of a cell: this classification; right half: the other. Framed where they differ."),
    element("div", { class: "grid-scroll" }, comparisonGrid(comparison)));
}

function buildClassificationPage(container) {
  if (!atlas.classes) return;
  const drawn = document.querySelector('#heads figure a[href$="sorted_scores.svg"]');
  if (drawn) drawn.closest("figure").querySelector(".scroll").replaceChildren(sortedScoresPlot());
  if (atlas.comparisons.length === 0)
    container.append(element("p", { class: "missing" }, "Nothing to compare with was given: --compare names another heads.json, for example a published map."));
  else container.append(...atlas.comparisons.map(comparisonPart));
}

/** Cells of the program's pictures that are named after a head open it. */
function linkNamedCells() {
  for (const title of document.querySelectorAll("section svg title")) {
    const name = title.textContent.match(/^layer (\d+) head (\d+)\b/);
    if (!name) continue;
    title.parentNode.classList.add("opens-head");
    title.parentNode.addEventListener("click", () => goTo("head", [name[1], name[2]]));
  }
}
