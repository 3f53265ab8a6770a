// What the keys do.

const kKeys = [
  ["Arrow keys", "move in the grid of heads; on a head's page go to its neighbours; on a focused map move the cursor"],
  ["Enter", "opens the head in focus; on a map folds the query under the cursor"],
  ["Escape", "back to all heads; closes this"],
  ["/", "find a head: layer 9 head 29, 9.29, layer 9, contextual"],
  ["[ and ]", "previous and next scale"],
  ["+ − 0", "on a focused map: zoom in, zoom out, whole map; Ctrl and the wheel zoom as well, dragging moves"],
  ["1, 2, 3, ...", "the pages"],
  ["t", "light or dark"],
  ["?", "this help"],
];

const helpDialog = element("dialog", { id: "help", "aria-labelledby": "help-title" },
  element("h2", { id: "help-title" }, "Keys"),
  element("dl", { class: "keys" }, kKeys.map(([key, text]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)))),
  element("p", { class: "note" }, "Every view is in the address: copy it to link to what you see."),
  element("form", { method: "dialog" }, element("button", {}, "Close")));

function toggleHelp() {
  if (helpDialog.open) helpDialog.close();
  else helpDialog.showModal();
}
