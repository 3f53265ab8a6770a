// The heads most like one: by the cosine of their column means, and of their displacement histograms.

const kSimilarMeasures = [
  ["columns", "same keys", "cosine of the column means at the last scale"],
  ["displacement", "same direction", "cosine of the displacement histograms at the last scale, all source scales together"],
];

/** A small picture of a head at one step; null where the page has no map of it. */
function smallMap(index, stepIndex, settings, width) {
  const source = mapSources(index).includes(settings.source) ? settings.source : mapSources(index)[0];
  const map = source && attentionMap(index, source, Math.min(settings.branch, (headData(index)[source] || []).length - 1), stepIndex);
  if (!map) return null;
  const image = mapImage(map, mapScale(settings.scaling === "quantile" ? "quantile" : settings.scaling, map), settings.palette);
  image.className = "small-map";
  image.style.width = `${width}px`;
  image.style.height = `${Math.max(10, Math.min(width, (width * map.queries) / map.keys))}px`;
  image.setAttribute("role", "presentation");
  return image;
}

function similarHeads(index, settings, query) {
  const data = headData(index);
  if (!data.similar) return null;
  return kSimilarMeasures.filter(([measure]) => data.similar[measure]).map(([measure, name, explanation]) =>
    element("div", { class: "similar" },
      element("h4", {}, `Most alike: ${name}`), element("p", { class: "note" }, sentenceCase(explanation)),
      element("ul", { class: "similar-list" }, data.similar[measure].map(([other, cosine]) => {
        const place = placeOfHead(other);
        return element("li", {}, element("a", { href: routeAddress("head", [place.layer, place.head], query), "data-similar": other },
          smallMap(other, settings.step, settings, 96),
          element("span", {}, `${headName(place)}`), element("span", { class: "note" }, `${classOf(other) || ""} ${cosine.toFixed(3)}`)));
      }))));
}
