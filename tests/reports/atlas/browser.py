"""Chromium, driven by playwright, for tests of pages; and what a test asks of a page everywhere."""

import contextlib
import glob
import os
import shutil
import sys

SKIPPED = 77  # as CTest is told


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def find_playwright():
    """./dev test unpacks the wheel into the cache; an installed one is taken as well."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    sys.path += sorted(glob.glob(os.path.join(cache, "kvscope", "playwright-*")))
    try:
        from playwright import sync_api
    except ImportError as error:
        skip(f"playwright is not there ({error}); ./dev test installs it, or pip install playwright")
    return sync_api


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    skip("there is no chromium; on Debian: apt-get install chromium")


@contextlib.contextmanager
def chromium():
    sync_api = find_playwright()
    path = find_chromium()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What must not happen on any page: errors, warnings, dialogs, requests to a network."""

    def __init__(self):
        self.found = []

    def watch(self, page):
        page.on("console", lambda message: self.found.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.found.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url.split(":")[0] not in ("file", "data", "about", "blob")
                and self.found.append(f"request: {request.url}"))


# WCAG 2.1, success criterion 1.4.3: the contrast of every visible text with what lies behind it; 4.5, or 3 for large text.
# Texts over pictures (canvas, gradients) are left to the colours that the scripts choose for them.
CONTRAST = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const parse = (text) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a / 255 };
  };
  const over = (top, alpha, below) => top.map((v, i) => v * alpha + below[i] * (1 - alpha));
  const backgroundOf = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const { rgb, alpha } = parse(getComputedStyle(at).backgroundColor);
      if (alpha > 0) layers.push([rgb, alpha]);
      if (alpha === 1) break;
    }
    return layers.reverse().reduce((below, [rgb, alpha]) => over(rgb, alpha, below), [255, 255, 255]);
  };
  const poor = [];
  let checked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const node = walker.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE", "TITLE", "title", "OPTION", "OPTGROUP", "DESC", "desc"].includes(node.tagName)) continue;
    if (!node.checkVisibility() || node.getBoundingClientRect().width === 0) continue;
    if (node.closest(":disabled, .dimmed, [aria-hidden='true'], .skip")) continue;
    const style = getComputedStyle(node);
    const svg = node instanceof SVGElement;
    if (svg && node.closest("g, svg").querySelector("image")) continue;
    const ink = parse(svg ? style.fill : style.color);
    let behind = backgroundOf(svg ? node.ownerSVGElement.parentElement : node);
    if (svg && node.ownerSVGElement.querySelector("rect")) {
      const box = node.getBoundingClientRect();
      for (const rect of node.ownerSVGElement.querySelectorAll("rect")) {
        const area = rect.getBoundingClientRect();
        const inside = box.left >= area.left - 1 && box.right <= area.right + 1 && box.top >= area.top - 1 && box.bottom <= area.bottom + 1;
        const fill = getComputedStyle(rect);
        if (inside && fill.fill !== "none") behind = over(parse(fill.fill).rgb, parse(fill.fill).alpha * Number(fill.fillOpacity) * Number(fill.opacity), behind);
      }
    }
    const color = over(ink.rgb, ink.alpha, behind);
    const [light, dark] = [luminance(color), luminance(behind)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    ++checked;
    if (ratio < (large ? 3 : 4.5) - 0.01) poor.push(`${ratio.toFixed(2)}: "${text.slice(0, 40)}" <${node.tagName} class="${node.getAttribute("class") || ""}"> ${style.color} on ${behind.map(Math.round)}`);
  }
  return { checked, poor: [...new Set(poor)].slice(0, 20) };
}"""


def contrast_faults(page):
    """(number of texts looked at, what is too faint)."""
    result = page.evaluate(CONTRAST)
    return result["checked"], result["poor"]
