// Where the reader is, in the address: #/head/9/29?step=5&view=fold. Every view can be linked to.

const routeListeners = new Set();

/** What readers type for the pages' own names: the words of the tabs. */
const kPageAliases = new Map([["", "heads"], ["atlas", "heads"], ["classes", "classification"], ["plans", "plan"], ["replays", "replay"], ["methods", "compare"]]);

/** { page, parts: [...], query: Map }, or null for a plain anchor. */
function currentRoute() {
  const hash = location.hash;
  if (hash === "" || hash === "#") return { page: "heads", parts: [], query: new Map() };
  if (!hash.startsWith("#/")) return null;
  const [path, query = ""] = hash.slice(2).split("?");
  const words = path.split("/").map((word) => decodeURIComponentOr(word));
  return { page: kPageAliases.get(words[0]) ?? words[0], parts: words.slice(1), query: new Map(new URLSearchParams(query)) };
}

function decodeURIComponentOr(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function routeAddress(page, parts = [], query = new Map()) {
  const words = new URLSearchParams([...query].filter(([, value]) => value !== undefined && value !== ""));
  const path = [page, ...parts].map((word) => encodeURIComponent(word)).join("/");
  return `#/${path}${[...words].length ? `?${words}` : ""}`;
}

function goTo(page, parts = [], query = new Map()) {
  location.hash = routeAddress(page, parts, query);
}

/** Changes settings of the page that is shown without a new entry in the history; an undefined value goes away. */
function updateQuery(changes) {
  const route = currentRoute();
  if (!route) return;
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === null || value === "") route.query.delete(key);
    else route.query.set(key, String(value));
  }
  history.replaceState(null, "", routeAddress(route.page, route.parts, route.query));
}

window.addEventListener("hashchange", () => routeListeners.forEach((listener) => listener()));
