// The atlas: turns the document into pages and shows the one in the address.

const kPages = [["heads", "Heads"], ["classification", "Classification"], ["sensitivity", "Sensitivity"], ["plan", "Plans"], ["replay", "Replays"], ["compare", "Methods"], ["provenance", "Provenance"]];

const content = document.getElementById("content");
const sections = [...content.querySelectorAll("section[data-page]")];
const usedPages = kPages.filter(([page]) => sections.some((section) => section.dataset.page === page));

/** A section of our own, in front of those the program wrote for the page, or behind the first of them. */
function ownSection(page, id, label, behind = false) {
  const section = element("section", { id, "data-page": page, "aria-label": label });
  const first = sections.find((other) => other.dataset.page === page);
  content.insertBefore(section, (behind && first ? first.nextSibling : first) || null);
  sections.push(section);
  return section;
}

const peek = element("aside", { class: "peek", "aria-label": "Head under the pointer" });

/** The head under the pointer, in small. */
function showPeek(index) {
  const place = placeOfHead(index);
  const grid = headGrid;
  const settings = { source: "raw", branch: 0, scaling: "fixed", palette: grid.palette };
  const picture = headData(index) && mapSources(index).length > 0 ? smallMap(index, grid.step, settings, 220) : null;
  peek.replaceChildren(
    element("p", { class: "peek-name" }, headName(place)),
    atlas.classes ? element("p", {}, element("span", { class: `chip ${classOf(index)}` }, classOf(index)), isBorderline(index) ? "borderline" : "") : "",
    grid.values ? element("p", {}, `${grid.field.label}: ${numberText(grid.values[index])}`) : "",
    picture || "", picture ? element("p", { class: "note" }, `Queries of ${steps[grid.step].name}; Enter or a click opens the head.`) : "");
}

const gridSection = ownSection("heads", "atlas", "All heads");
const headGrid = new HeadGrid(peek, showPeek);
if (headCount > 0) gridSection.append(element("h2", {}, "All heads"), headGrid.root);
for (const sentence of atlas.attention ? atlas.attention.left_out || [] : []) gridSection.append(element("p", { class: "note left-out" }, sentence));
if (atlas.attention && (atlas.attention.left_out || []).length > 0)
  gridSection.append(element("p", { class: "note" }, `So the page stays below ${numberText(atlas.max_bytes / 1e6)} MB (--max-size).`));

const headSection = ownSection("head", "head", "One head");
const headPage = new HeadPage(headSection);
buildClassificationPage(ownSection("classification", "explore-classes", "Comparisons", true));
linkNamedCells();
const relationExplorer = atlas.sensitivity ? new RelationExplorer(ownSection("sensitivity", "explore-sensitivity", "Any figure against any other", true)) : null;
const planExplorer = atlas.plans.length > 0 ? new PlanExplorer(ownSection("plan", "explore-plans", "Budgets")) : null;
const paretoExplorer = atlas.replays.length > 0 ? new ParetoExplorer(ownSection("replay", "explore-replays", "Pareto front")) : null;
const methodExplorer = atlas.compare ? new MethodExplorer(ownSection("compare", "explore-methods", "Quality against size", true)) : null;
addImageDifferences();

/** The pictures of typical heads lead to the heads' pages. */
for (const article of document.querySelectorAll("article.head[id]")) {
  const [, layer, head] = article.id.split("-");
  article.querySelector("h4").append(" ", element("a", { class: "open", href: routeAddress("head", [layer, head]) }, "open"));
}

const nav = document.getElementById("contents");
nav.replaceChildren(
  element("ol", { class: "tabs" }, usedPages.map(([page, name]) => element("li", {}, element("a", { href: `#/${page}`, "data-tab": page }, name)))),
  element("div", { class: "nav-tools" }, themeButton(), button("Keys (?)", toggleHelp, { class: "small" })));
document.body.append(helpDialog);
document.documentElement.classList.add("scripted");

/** Says so where the address names no page; what is shown instead follows below it. */
const nowhere = element("p", { id: "nowhere", class: "missing", role: "status", hidden: true });
content.prepend(nowhere);

function sayWhere(route, known) {
  nowhere.hidden = known;
  nowhere.textContent = known ? "" : `There is no page “${route.page}” in this atlas. Its pages are ${usedPages.map(([page]) => page).join(", ")}.`;
}

/** Where the reader was on the grid, so that Escape goes back to it. */
let lastGridQuery = new Map();
let lastHead = null;

function showPage(page, name) {
  for (const section of sections) section.hidden = section.dataset.page !== page;
  const focused = document.activeElement;
  if (focused && focused.closest("section[hidden]")) focused.blur();
  const visible = [...content.children].filter((child) => child !== nowhere && !child.hidden);
  visible.forEach((section, i) => section.classList.toggle("first", i === 0));
  const tab = page === "head" ? "heads" : page;
  for (const link of nav.querySelectorAll("[data-tab]")) {
    if (link.dataset.tab === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name} - ${atlas.title} - kvscope`;
}

function show() {
  const route = currentRoute();
  if (!route) {
    showAnchor(location.hash.slice(1));
    return;
  }
  const known = route.page === "head" || usedPages.some(([page]) => page === route.page);
  const page = known ? route.page : "heads";
  sayWhere(route, known);
  const title = page === "head" ? headName({ layer: route.parts[0], head: route.parts[1] }) : usedPages.find(([other]) => other === page)[1];
  const changed = document.documentElement.dataset.page !== page || page === "head";
  document.documentElement.dataset.page = page;
  showPage(page, title);
  if (page === "heads" && headCount > 0) {
    lastGridQuery = route.query;
    headGrid.show(route.query);
    if (lastHead !== null) headGrid.focus(lastHead);
    lastHead = null;
  }
  if (page === "head") {
    lastHead = headIndex(Number(route.parts[0]), Number(route.parts[1]));
    headPage.show(route);
  }
  if (page === "sensitivity" && relationExplorer) relationExplorer.show(route.query);
  if (page === "plan" && planExplorer) planExplorer.show(route.query);
  if (page === "replay" && paretoExplorer) paretoExplorer.show(route.query);
  if (page === "compare" && methodExplorer) methodExplorer.show(route.query);
  if (changed && shown && page !== "heads") window.scrollTo(0, page === "head" && shown === "head" ? window.scrollY : 0);
  shown = page;
}
let shown = "";

/** A link to a section or a picture within one: shows its page first. */
function showAnchor(id) {
  const target = document.getElementById(id);
  const section = target && target.closest("section[data-page]");
  if (!section) return;
  const page = usedPages.find(([other]) => other === section.dataset.page);
  if (!page) return;
  sayWhere(null, true);
  document.documentElement.dataset.page = page[0];
  showPage(...page);
  if (page[0] === "heads" && headCount > 0) headGrid.show(lastGridQuery);
  if (page[0] === "sensitivity" && relationExplorer) relationExplorer.show(new Map());
  if (page[0] === "plan" && planExplorer) planExplorer.show(new Map());
  if (page[0] === "replay" && paretoExplorer) paretoExplorer.show(new Map());
  if (page[0] === "compare" && methodExplorer) methodExplorer.show(new Map());
  shown = page[0];
  target.scrollIntoView();
}

function otherScale(change) {
  const route = currentRoute();
  const now = route.page === "head" ? headPage.settings && headPage.settings.step : headGrid.step;
  const next = now + change;
  if (now === undefined || next < 0 || next >= steps.length) return;
  if (route.page === "head") headPage.set({ step: next, query: "", key: "" });
  else headGrid.set({ step: next });
}

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.altKey || event.ctrlKey || event.metaKey || helpDialog.open) return;
  const route = currentRoute() || { page: shown, parts: [] };
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (route.page !== "heads") location.hash = routeAddress("heads", [], lastGridQuery);
    return;
  }
  if (typing) return;
  const arrow = route.page === "head" && headSection.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
  const page = usedPages[Number(event.key) - 1];
  if (event.key === "?") toggleHelp();
  else if (event.key === "/" && headCount > 0) {
    if (route.page !== "heads") location.hash = routeAddress("heads", [], lastGridQuery);
    setTimeout(() => headGrid.searchBox.focus());
  } else if (event.key === "[" || event.key === "]") otherScale(event.key === "]" ? 1 : -1);
  else if (event.key === "t") setTheme(isDark() ? "light" : "dark");
  else if (arrow && event.key.startsWith("Arrow") && event.target === document.body) location.hash = arrow.getAttribute("href");
  else if (page) goTo(page[0]);
  else if (route.page === "heads" && event.key.startsWith("Arrow") && event.target === document.body) headGrid.focus();
  else return;
  event.preventDefault();
});

routeListeners.add(show);
show();
