// Replays: quality against size with the Pareto front over plans, and the images' differences.

/** [key, label, whether more is better] of figures that a front can be drawn for. */
const kReplayFigures = [
  ["kl_forced", "KL, teacher-forced, nats per token", false], ["agreement_forced", "Token agreement, teacher-forced", true],
  ["kl_free", "KL, free-running, nats per token", false], ["agreement_free", "Token agreement, free-running", true],
  ["psnr", "PSNR, dB", true], ["ssim", "SSIM", true], ["class_accuracy", "Right class", true],
  ["class_agreement", "Same class as the full run", true], ["frechet", "Fréchet distance", false],
];

/** Points that no other beats in both size and value; ties stay. Rising size. */
function paretoFront(points, moreIsBetter) {
  const better = (a, b) => (moreIsBetter ? a >= b : a <= b);
  return points.filter((point) => !points.some((other) => other !== point && other.size <= point.size && better(other.value, point.value) &&
    (other.size < point.size || other.value !== point.value)))
    .sort((a, b) => a.size - b.size);
}

class ParetoExplorer {
  constructor(container) {
    this.root = element("div", { class: "pareto" });
    container.append(this.root);
  }

  show(query) {
    const known = kReplayFigures.filter(([key]) => atlas.replays.some((replay) => replay.figures[key] && replay.figures[key][0] !== null));
    if (known.length === 0) return;
    const [key, label, moreIsBetter] = known.find(([name]) => name === query.get("figure")) || known[0];
    const points = atlas.replays.flatMap((replay) => {
      const figure = replay.figures[key];
      if (!figure || figure[0] === null) return [];
      return [{ name: replay.name, style: replay.style, size: (100 * replay.cache.allocated) / replay.cache.lossless, value: figure[0], low: figure[1], high: figure[2] }];
    });
    const front = paretoFront(points, moreIsBetter);
    const onFront = new Set(front.map(({ name }) => name));
    const [low, high] = roundRange(points.flatMap(({ value, low: below, high: above }) => [value, below ?? value, above ?? value]), !moreIsBetter, false);
    const series = [{ name: "Pareto front", style: "muted", dash: "5 4", points: [] }, ...points.map((point) => ({
      name: `${point.name}${onFront.has(point.name) ? "" : " (beaten)"}`, ...seriesStyle(point.style), dash: "", kind: "dots", radius: onFront.has(point.name) ? 6 : 3.5,
      points: [[point.size, point.value, `${point.name}: ${numberText(point.value)} at ${point.size.toFixed(1)} % of the lossless cache`]],
    }))];
    series[0].points = front.map(({ size, value }) => [size, value]);
    const infinite = atlas.replays.filter((replay) => key === "psnr" && replay.figures.psnr && replay.figures.psnr[0] === null).map(({ name }) => name);
    this.root.replaceChildren(
      element("h2", {}, "Pareto front over plans"),
      element("div", { class: "controls" }, choice("Figure", known.map(([name, text]) => [name, text]), key, (value) => {
        updateQuery({ figure: value });
        this.show(currentRoute().query);
      }, { name: "figure" })),
      drawPlot({ title: `${label} against the size of the cache; ${moreIsBetter ? "upper" : "lower"} left is better`,
        x: { label: "Cache, % of lossless", low: 0, high: Math.max(100, roundRange(points.map(({ size }) => size), true, false)[1]) },
        y: { label, low, high }, series, width: 640, height: 320 }),
      element("p", { class: "note" }, `On the front: ${front.map(({ name }) => name).join(", ")}. ` +
        (infinite.length > 0 ? `Left out, since all images agree in every byte: ${infinite.join(", ")}.` : "")));
  }
}

const kDifferenceGain = 4;

/** |a − b| times a gain, as a picture of the size of `a`. */
function differenceImage(full, compressed) {
  const pixelsOf = (image) => {
    const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return { canvas, context, data: context.getImageData(0, 0, canvas.width, canvas.height) };
  };
  const a = pixelsOf(full);
  const b = pixelsOf(compressed);
  for (let i = 0; i < a.data.data.length; i += 4)
    for (let channel = 0; channel < 3; ++channel)
      a.data.data[i + channel] = Math.min(255, kDifferenceGain * Math.abs(a.data.data[i + channel] - b.data.data[i + channel]));
  a.context.putImageData(a.data, 0, 0);
  return a.canvas.toDataURL();
}

/** Lets the reader switch the table of images between pictures and their difference from the full run's. */
function addImageDifferences() {
  const table = document.querySelector("#images .images table");
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  let full = rows[0];
  const pairs = [];
  for (const row of rows) {
    if (row.cells[0].textContent.startsWith("full cache")) full = row;
    else [...row.querySelectorAll("img")].forEach((image, i) => pairs.push([full.querySelectorAll("img")[i], image]));
  }
  const toggle = (event) => {
    for (const [reference, image] of pairs) {
      if (!reference) continue;
      if (!image.dataset.picture) {
        image.dataset.picture = image.src;
        image.dataset.difference = differenceImage(reference, image);
      }
      image.src = event.target.checked ? image.dataset.difference : image.dataset.picture;
    }
  };
  table.closest(".images").before(element("label", { class: "choice check" },
    element("input", { type: "checkbox", name: "difference", onchange: toggle }),
    element("span", {}, `difference from the full run, × ${kDifferenceGain}`)));
}
