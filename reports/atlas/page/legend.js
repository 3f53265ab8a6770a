// The colour bar: what the colours mean, with the range in print.

/** @param scale  of makeScale()   @param unit  a text that follows the range   */
function legendBar(scale, paletteName, label) {
  const stops = Array.from({ length: 17 }, (_, i) => cssColor(colorAt(paletteName, i / 16)));
  const bar = element("div", { class: "legend-bar" });
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  const ticks = scale.ticks.map(({ position, label: text }) => {
    const tick = element("span", {}, text);
    tick.style.left = `${100 * position}%`;
    return tick;
  });
  return element("div", { class: "legend-scale" },
    element("p", { class: "legend-label" }, label), bar, element("div", { class: "legend-ticks" }, ticks));
}

function classLegend() {
  const count = (letter) => [...atlas.classes.letters].filter((other) => other === letter).length;
  const entry = (name, text) => element("span", { class: "legend-entry" }, element("i", { class: `swatch ${name}` }), text);
  return element("div", { class: "legend-classes" },
    entry("contextual", `contextual (${count("C")})`), entry("structural", `structural (${count("S")})`),
    atlas.classes.borderline.length > 0 &&
      entry("borderline", `borderline (${atlas.classes.borderline.length})`));
}
