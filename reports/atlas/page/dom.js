// Making elements. Everything from files goes in as text, never as markup.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function element(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svgElement(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A labelled choice. `options`: [value, text] pairs, or { group, options } for an <optgroup>. */
function choice(label, options, value, onChange, attributes = {}) {
  const optionOf = ([key, text]) => element("option", { value: key, selected: key === value }, text);
  const select = element(
    "select",
    { ...attributes, onchange: (event) => onChange(event.target.value) },
    options.map((entry) =>
      entry.group ? element("optgroup", { label: entry.group }, entry.options.map(optionOf)) : optionOf(entry)),
  );
  return element("label", { class: "choice" }, element("span", {}, label), select);
}

function button(text, onClick, attributes = {}) {
  return element("button", { type: "button", ...attributes, onclick: onClick }, text);
}

/** A canvas whose pixels fit the screen's; `draw` gets the context in CSS pixels. */
function sizeCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function cssValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
