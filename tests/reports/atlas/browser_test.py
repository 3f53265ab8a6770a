"""Opens the atlas of a small synthetic run in a headless Chromium and does what a reader does: goes through every page,
points at maps and compares what the page says with the capture's HDF5 data, follows deep links, uses the keys alone, a dark theme,
a phone. No page may complain on the console or ask a network.

usage: browser_test.py KVSCOPE WRITE_SYNTHETIC_RUN [NAME]      NAME: only tests whose name contains it
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import browser as browsing

try:
    import h5py
    import numpy as np
except ImportError as missing:
    browsing.skip(f"{missing.name} is not there; on Debian: apt-get install python3-h5py")

HEADS = 4  # a layer of the synthetic model
LAYERS = 2
PAGES = ["heads", "head/1/3", "classification", "sensitivity", "plan", "replay", "compare", "provenance"]
PLANS = ["lossless", "hack-30", "hack-60"]
RELATIVE_ERROR = {8: 0.0277, 16: 1.5e-4}  # as docs/formats/atlas.md says
FLOOR = {8: 1e-6, 16: 1e-8}
HOSTILE = "<!--<script>&</script><img src=x onerror=alert(1)>'\""  # "/" cannot be part of a file's name


class Atlas:
    """A report and the files it was made from."""

    def __init__(self, kvscope, folder, name, *, capture="capture.h5", plans=PLANS, more=()):
        self.kvscope, self.folder = kvscope, folder
        self.page = folder / name / "index.html"
        words = [kvscope, "report", "--capture", folder / capture, "--scores", folder / "scores.h5", "--heads", folder / "heads.json",
                 "--compare", folder / "other.heads.json",
                 "--compare", folder / "compare.json", "--sensitivity", folder / "sensitivity.h5", "-o", folder / name, *more]
        for plan in plans:
            words += ["--plan", folder / f"{plan}.plan.json", "--replay", folder / f"{plan}.replay.json"]
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        self.messages = done.stderr

    def address(self, place=""):
        return self.page.as_uri() + place


def raw_map(atlas, layer, head, step, branch=0):
    with h5py.File(atlas.folder / "capture.h5") as file:
        return file[f"maps/layer_{layer:02}/head_{head:02}/step_{step:02}"][0, branch]


def mean_map(atlas, layer, head, step, branch=0):
    with h5py.File(atlas.folder / "capture.h5") as file:
        return file[f"means/step_{step:02}/thumbnail"][branch, layer, head].astype(np.float64)


def kept_keys(atlas, plan, layer, head, step):
    with h5py.File(atlas.folder / f"{plan}.replay.h5") as file:
        return file[f"kept/layer_{layer:02}/head_{head:02}/step_{step:02}"][:]


def close(found, expected, bits=16):
    return abs(found - expected) <= RELATIVE_ERROR[bits] * abs(expected) + FLOOR[bits]


def point_at(page, query, key):
    """Moves the pointer over one cell of the large map; gives what the page then says of it."""
    page.locator("canvas.map").scroll_into_view_if_needed()
    box = page.locator("canvas.map").bounding_box()
    n_query, n_key = map_extent(page)
    left, top, right, bottom = 46, 14, 8, 34  # kMapMargin of map_view.js
    x = left + (key + 0.5) / n_key * (box["width"] - left - right)
    y = top + (query + 0.5) / n_query * (box["height"] - top - bottom)
    page.mouse.move(box["x"] + x, box["y"] + y)
    readout = page.locator(".map-view .readout")
    return {name: float(readout.get_attribute(f"data-{name}")) for name in ("query", "key", "weight")} | {"text": readout.inner_text()}


def map_extent(page):
    step = int(page.locator(".frame[aria-pressed=true]").get_attribute("data-step"))
    side = step + 1
    return side * side, sum(s * s for s in range(1, side + 1))


def open_page(page, atlas, place):
    page.goto("about:blank")
    page.goto(atlas.address(place))
    page.wait_for_selector("html.scripted")


def wait_for_page(page, name):
    """The browser tells the scripts of a new address only after the key or click that led there."""
    page.wait_for_function("(name) => document.title.startsWith(name + ' - ')", arg=name)


# --- tests: each gets a fresh page of a wide light window ------------------------------------------------------------


def test_every_page_opens_from_its_tab(page, atlas):
    open_page(page, atlas, "")
    tabs = page.locator("nav [data-tab]")
    assert tabs.all_inner_texts() == ["Heads", "Classification", "Sensitivity", "Plans", "Replays", "Methods", "Provenance"]
    for tab, proof in [("classification", "Compared with other"), ("sensitivity", "Any figure against any other"), ("plan", "Every layer and head, by scale"),
                       ("replay", "Pareto front over plans"), ("compare", "Quality against size"), ("provenance", "sha256"), ("heads", "All heads")]:
        page.locator(f"[data-tab={tab}]").click()
        wait_for_page(page, page.locator(f"[data-tab={tab}]").inner_text())
        assert page.evaluate("location.hash") == f"#/{tab}"
        assert proof in page.locator("main").inner_text(), tab
        assert page.locator(f"[data-tab={tab}]").get_attribute("aria-current") == "page"
    assert page.locator("#atlas .cell").count() == LAYERS * HEADS


def test_hover_values_are_those_of_the_capture(page, atlas):
    for layer, head, step, branch in [(0, 0, 3, 0), (1, 3, 3, 1), (1, 2, 2, 0), (0, 1, 1, 0)]:
        expected = raw_map(atlas, layer, head, step, branch)
        open_page(page, atlas, f"#/head/{layer}/{head}?step={step}&branch={branch}")
        n_query, n_key = expected.shape
        for query, key in [(0, 0), (n_query - 1, n_key - 1), (n_query // 2, n_key // 3), (1, n_key - 2)]:
            said = point_at(page, query, key)
            assert (said["query"], said["key"]) == (query, key), said
            assert close(said["weight"], expected[query, key]), (layer, head, step, branch, said, expected[query, key])
    expected = mean_map(atlas, 1, 1, 3)
    open_page(page, atlas, "#/head/1/1?source=mean")
    for query, key in [(3, 4), (15, 29), (8, 11)]:
        said = point_at(page, query, key)
        assert close(said["weight"], expected[query, key]), (said, expected[query, key])


def test_hover_names_the_places_in_both_grids(page, atlas):
    open_page(page, atlas, "#/head/0/1?step=3")
    said = point_at(page, 6, 5 + 7)  # query (1, 2) of 4x4; key 12 is token 7 of 3x3: (2, 1)
    assert "Query (1, 2) of 4×4 → key (2, 1) of 3×3 (row 6, column 12)" in said["text"], said
    said = point_at(page, 15, 0)
    assert "Query (3, 3) of 4×4 → key (0, 0) of 1×1" in said["text"], said
    box = page.locator("canvas.map").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + 20)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".map-view .readout").get_attribute("data-query") == "1"


def test_colours_are_those_of_the_stated_scale(page, atlas):
    """A pixel of the map against the palette in the page's data: log10(weight * T / 0.1) / 3 of the way."""
    expected = raw_map(atlas, 0, 1, 3)
    open_page(page, atlas, "#/head/0/1?step=3&palette=cividis")
    assert "fixed logarithmic, 0.1× to 100×" in page.locator(".legend-label").first.inner_text()
    palette = json.loads(page.locator("#atlas-data").text_content())["palettes"]["cividis"]
    for query, key in [(2, 3), (9, 20), (15, 29)]:
        point_at(page, 0, 0)  # the cursor's frame goes elsewhere
        position = min(1, max(0, np.log10(max(expected[query, key], 1e-30) * 30 / 0.1) / 3))
        colour = page.evaluate("""([x, y]) => {
          const canvas = document.querySelector("canvas.map");
          const scale = canvas.width / canvas.clientWidth;
          const px = 46 + x * (canvas.clientWidth - 54), py = 14 + y * (canvas.clientHeight - 48);
          const pixel = document.createElement("canvas").getContext("2d");
          pixel.drawImage(canvas, -Math.floor(px * scale), -Math.floor(py * scale));
          return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }""", [(key + 0.5) / 30, (query + 0.5) / 16])
        levels = [int(np.floor(position * 255 + 0.5)) + d for d in (-1, 0, 1)]
        allowed = [[int(palette[6 * level + 2 * i:6 * level + 2 * i + 2], 16) for i in range(3)] for level in levels if 0 <= level <= 255]
        assert colour in allowed, (query, key, colour, allowed)
    for scaling, words in [("fixed-linear", "fixed linear, 0 to 1"), ("linear", "this map, linear"), ("log", "this map, logarithmic"), ("quantile", "by quantiles")]:
        open_page(page, atlas, f"#/head/0/1?scaling={scaling}")
        assert words in page.locator(".legend-label").first.inner_text()


def test_zoom_and_pan_keep_values_true(page, atlas):
    open_page(page, atlas, "#/head/1/1?step=3")
    expected = raw_map(atlas, 1, 1, 3)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    box = page.locator("canvas.map").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1] + 40, steps=4)
    page.mouse.up()
    page.mouse.move(middle[0] + 30, middle[1] + 10)
    readout = page.locator(".map-view .readout")
    query, key = int(readout.get_attribute("data-query")), int(readout.get_attribute("data-key"))
    assert close(float(readout.get_attribute("data-weight")), expected[query, key])
    assert 4 < key < 16 and 4 < query < 9, (query, key)  # left of and above the middle, where the drag came from
    page.get_by_role("button", name="Whole map").click()
    assert point_at(page, 0, 0)["query"] == 0


def test_folds_show_one_grid_for_each_source_and_lead_on(page, atlas):
    open_page(page, atlas, "#/head/0/1?step=3&query=5&key=20")
    figures = page.locator(".fold-view figure")
    assert figures.count() == 1 + 4
    masses = [float(re.search(r"([\d.]+) %", text).group(1)) for text in figures.all_inner_texts()[1:]]
    row = raw_map(atlas, 0, 1, 3)[5]
    edges = np.cumsum([0, 1, 4, 9, 16])
    for mass, start, end in zip(masses, edges[:-1], edges[1:]):
        assert abs(mass - 100 * row[start:end].sum()) < 0.06
    assert abs(sum(masses) - 100) < 0.3
    grid = figures.first.locator("canvas")
    box = grid.bounding_box()
    grid.click(position={"x": box["width"] * 3.5 / 4, "y": box["height"] * 0.5 / 4})  # query (0, 3)
    assert "query=3" in page.evaluate("location.hash")
    assert "Where query (0, 3) of 4×4" in page.locator(".fold-view .note").inner_text()
    page.locator("select[name=fold]").select_option("key")
    assert "Which queries of 4×4 look at key" in page.locator(".fold-view .note").inner_text()
    assert page.locator("input[name=image]").is_checked()  # the capture has images
    page.locator("input[name=image]").uncheck()
    assert "image=no" in page.evaluate("location.hash")


def test_kept_keys_and_what_is_left_under_a_plan(page, atlas):
    kept = kept_keys(atlas, "hack-60", 1, 3, 3)
    expected = raw_map(atlas, 1, 3, 3)
    assert 0 < len(kept) < 30
    open_page(page, atlas, "#/head/1/3?step=3&kept=2")
    notes = page.locator(".map-notes").inner_text()
    assert f"hack-60 keeps {len(kept)} of 30 keys" in notes
    share = float(re.search(r"([\d.]+) % of this map", notes).group(1))
    assert abs(share - 100 * expected[:, kept].sum() / 16) < 0.06
    lost = next(key for key in range(30) if key not in kept)
    assert point_at(page, 4, lost)["text"].endswith("; key not kept")
    assert point_at(page, 4, int(kept[0]))["text"].endswith("; key kept")
    restricted = np.zeros_like(expected)
    restricted[:, kept] = expected[:, kept] / expected[:, kept].sum(axis=1, keepdims=True)
    page.locator("select[name=show]").select_option("plan")
    said = point_at(page, 7, int(kept[-1]))
    assert abs(said["weight"] - restricted[7, kept[-1]]) < 4e-4 * restricted[7, kept[-1]]
    page.locator("select[name=show]").select_option("difference")
    said = point_at(page, 7, lost)
    assert abs(said["weight"] + expected[7, lost]) < 2e-4 * expected[7, lost] + 1e-8
    assert "show=difference" in page.evaluate("location.hash")


def test_deep_links_restore_what_was_seen(page, atlas):
    open_page(page, atlas, "#/head/1/2?step=2&branch=1&scaling=quantile&palette=magma&kept=1&query=3&key=6")
    assert page.locator("#head-title").inner_text() == "Layer 1, head 2"
    assert page.locator(".frame[aria-pressed=true]").get_attribute("data-step") == "2"
    values = {name: page.locator(f"select[name={name}]").input_value() for name in ("branch", "scaling", "palette", "kept")}
    assert values == {"branch": "1", "scaling": "quantile", "palette": "magma", "kept": "1"}, values
    readout = page.locator(".map-view .readout")
    assert (readout.get_attribute("data-query"), readout.get_attribute("data-key")) == ("3", "6")
    page.reload()
    assert page.locator("select[name=palette]").last.input_value() == "magma"
    open_page(page, atlas, "#/heads?color=score%3Aentropy&step=2&class=structural&sort=down")
    assert page.locator("select[name=color]").input_value() == "score:entropy"
    assert page.locator("#atlas .cell").count() == 4
    page.locator("[data-tab=plan]").click()
    wait_for_page(page, "Plans")
    page.go_back()
    wait_for_page(page, "Heads")
    assert "color=score" in page.evaluate("location.hash") and page.locator("#atlas").is_visible()
    open_page(page, atlas, "#budgets")  # an anchor of the document
    assert page.locator("#budgets").is_visible() and page.locator("[data-tab=plan]").get_attribute("aria-current") == "page"
    for wrong in ["#/head/7/0", "#/head/x/y", "#/nowhere", "#/heads?step=99&color=none&palette=jet", "#/head/0/0?step=-1&kept=9&query=1e9", "#/%E0%A4%A"]:
        open_page(page, atlas, wrong)
        assert page.locator("main").inner_text().strip() != ""


def test_addresses_are_forgiving_and_say_where_they_do_not_lead(page, atlas):
    for alias, name, proof in [("replays", "Replays", "Pareto front over plans"), ("plans", "Plans", "Every layer and head, by scale"),
                               ("classes", "Classification", "Compared with other"), ("methods", "Methods", "Paired differences")]:
        open_page(page, atlas, f"#/{alias}")
        wait_for_page(page, name)
        assert proof in page.locator("main").inner_text(), alias
        assert page.locator("#nowhere").is_hidden()
    open_page(page, atlas, "#/<b>nowhere")
    assert page.locator("#nowhere").inner_text().startswith("There is no page “<b>nowhere” in this atlas.")
    assert page.locator("#atlas").is_visible()
    page.locator("[data-tab=plan]").click()
    wait_for_page(page, "Plans")
    assert page.locator("#nowhere").is_hidden()


def test_keys_alone_reach_everything(page, atlas):
    open_page(page, atlas, "")
    page.keyboard.press("ArrowDown")  # into the grid
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("Layer 0, head 0")
    for key in ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"]:
        page.keyboard.press(key)
    assert page.evaluate(focused).startswith("Layer 1, head 1")
    page.keyboard.press("End")
    assert page.evaluate(focused).startswith("Layer 1, head 3")
    page.keyboard.press("Enter")
    wait_for_page(page, "Layer 1, head 3")
    page.keyboard.press("ArrowLeft")
    wait_for_page(page, "Layer 1, head 2")
    page.keyboard.press("ArrowUp")
    wait_for_page(page, "Layer 0, head 2")
    page.keyboard.press("[")
    assert page.locator(".frame[aria-pressed=true]").get_attribute("data-step") == "2"
    page.keyboard.press("Escape")
    wait_for_page(page, "Heads")
    assert page.evaluate(focused).startswith("Layer 0, head 2")  # back where the reader was
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.name === 'q'")
    page.keyboard.type("layer 1 head 3")
    page.keyboard.press("Enter")
    wait_for_page(page, "Layer 1, head 3")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("3")
    wait_for_page(page, "Sensitivity")
    page.keyboard.press("5")
    wait_for_page(page, "Replays")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_grid_filters_sorts_and_finds(page, atlas):
    def names():
        return [text for text in page.locator("#atlas .cell:not(.dimmed)").evaluate_all("cells => cells.map((cell) => cell.getAttribute('aria-label'))")]

    with h5py.File(atlas.folder / "scores.h5") as file:
        entropy = file["scores/entropy/mean"][0, :, :, 3].ravel()
    open_page(page, atlas, "#/heads?color=score:entropy")
    page.locator("select[name=sort]").select_option("up")
    found = [tuple(int(number) for number in re.findall(r"\d+", name)[:2]) for name in names()]
    assert found == [(int(i) // HEADS, int(i) % HEADS) for i in np.argsort(entropy, kind="stable")], found
    assert page.locator(".legend-label").first.inner_text() == "Entropy at 4×4: 0 to 1, linear"
    page.locator("select[name=class]").select_option("contextual")
    assert len(names()) == 4 and all("contextual" in name for name in names())
    assert page.locator(".count").inner_text() == "4 of 8 heads"
    page.locator("select[name=class]").select_option("all")
    middle = float(np.median(entropy))
    page.locator("input[name=from]").fill(str(middle))
    page.locator("input[name=from]").press("Enter")
    assert len(names()) == 4
    open_page(page, atlas, "")
    for text, count in [("layer 1", 4), ("head 2", 2), ("1.3", 1), ("L0 H1", 1), ("structural", 4), ("layer 9 head 29", 0), ("", 8)]:
        page.locator("input[name=q]").fill(text)
        assert len(names()) == count, (text, names())
    with h5py.File(atlas.folder / "scores.h5") as file:
        variance = file["scores/column_variance/mean"][0, 1, 2, 3]
    open_page(page, atlas, "#/heads?color=score:column_variance")
    label = page.locator("[data-head='6']").get_attribute("aria-label")
    assert abs(float(label.rsplit(" ", 1)[1]) - variance) < 0.006 * variance, label


def test_every_field_colours_the_grid(page, atlas):
    open_page(page, atlas, "")
    options = page.locator("select[name=color] option").evaluate_all("all => all.map((option) => option.value)")
    assert {"class", "score", "margin", "confidence", "score:band_excess", "sensitivity:1", "sensitivity:3.5", "attend:hack-60", "carry:hack-60", "error:hack-60"} <= set(options), options
    for option in options:
        page.locator("select[name=color]").select_option(option)
        assert page.locator(".legend-area").first.inner_text().strip(), option
        if option != "class":
            assert re.search(r": .+ to .+", page.locator(".legend-label").first.inner_text()), option
            assert page.locator(".cell[style*=background-color]").count() > 0, option
    carry = json.loads((atlas.folder / "hack-60.plan.json").read_text())["heads"][5]["carry"][2]
    open_page(page, atlas, "#/heads?color=carry%3Ahack-60&step=2")
    label = page.locator("[data-head='5']").get_attribute("aria-label")
    assert abs(float(label.rsplit(" ", 1)[1]) - carry / 30) < 0.006 * carry / 30, (label, carry)


def test_similar_heads_are_those_of_the_column_means(page, atlas):
    with h5py.File(atlas.folder / "capture.h5") as file:
        columns = file["means/step_03/column_mean"][0].reshape(LAYERS * HEADS, -1).astype(np.float64)
    unit = columns / np.linalg.norm(columns, axis=1, keepdims=True)
    cosine = unit @ unit.T
    cosine[np.diag_indices_from(cosine)] = -1
    open_page(page, atlas, "#/head/1/0")
    links = page.locator(".similar").first.locator("[data-similar]")
    found = [int(number) for number in links.evaluate_all("all => all.map((link) => link.dataset.similar)")]
    assert found == [int(i) for i in np.argsort(-cosine[4], kind="stable")[:6]], (found, cosine[4])
    links.first.click()
    assert page.evaluate("location.hash").startswith(f"#/head/{found[0] // HEADS}/{found[0] % HEADS}")


def test_profiles_are_drawn(page, atlas):
    open_page(page, atlas, "#/head/1/1")
    text = page.locator("#head").inner_text()
    for proof in ["Column means at 4×4", "Diagonal profile at 4×4", "Displacement histograms at 4×4", "Entropy over scales",
                  "Spread over samples at 4×4", "Keys attended to, by plan", "Teacher-forced error of this head's output", "Most alike: same keys"]:
        assert proof in text, proof
    assert page.locator("#head rect.fill-series-1").count() == 30  # one bar a key
    assert page.locator("canvas.displacement").count() == 4
    with h5py.File(atlas.folder / "capture.h5") as file:
        expected = file["means/step_03/displacement"][0, 1, 1, 3, 0]
    page.locator("canvas.displacement").nth(3).hover()
    said = page.locator(".wide .readout").inner_text()
    assert "dy 0, dx 0" in said
    assert abs(float(re.search(r": ([\d.e-]+) of all", said).group(1)) - expected[8, 8]) < 0.006 * expected[8, 8], (said, expected[8, 8])


def test_plans_replays_and_comparison(page, atlas):
    open_page(page, atlas, "#/classification")
    other = json.loads((atlas.folder / "other.heads.json").read_text())["heads"]
    own = json.loads((atlas.folder / "heads.json").read_text())["heads"]
    differing = sum(a["class"] != b["class"] for a, b in zip(own, other))
    assert differing > 0 and page.locator(".cell.differs").count() == differing
    page.locator("#heads figure a[aria-label^='Layer 1, head 2']").first.click()
    assert page.evaluate("location.hash") == "#/head/1/2"
    open_page(page, atlas, "#/plan?plan=hack-30")
    plan = json.loads((atlas.folder / "hack-30.plan.json").read_text())
    mean = np.mean([head["carry"][2] for head in plan["heads"] if head["layer"] == 1])
    assert abs(float(page.locator(".heat-table tbody tr").nth(1).locator("td").nth(2).inner_text()) - mean) < 0.005 * mean
    page.locator("select[name=count]").select_option("attend")
    assert "count=attend" in page.evaluate("location.hash")
    open_page(page, atlas, "#/replay")
    assert page.locator(".pareto .note").inner_text().startswith("On the front: hack-60, hack-30, lossless.")
    page.locator("select[name=figure]").select_option("psnr")
    assert "lossless" in page.locator(".pareto .note").inner_text().split("Left out")[1]
    images = page.locator("#images .images tbody tr").nth(2).locator("img")
    before = images.first.get_attribute("src")
    page.locator("input[name=difference]").check()
    assert images.first.get_attribute("src") != before
    page.locator("input[name=difference]").uncheck()
    assert images.first.get_attribute("src") == before


def test_sensitivity_is_that_of_the_file_and_held_against_scores(page, atlas):
    with h5py.File(atlas.folder / "sensitivity.h5") as file:
        cost = file["cost"][...].sum(-1).min(axis=2).reshape(LAYERS * HEADS, -1)  # [head, count], cheapest rule
    with h5py.File(atlas.folder / "scores.h5") as file:
        variance = file["scores/column_variance/mean"][0, :, :, 3].ravel()
        excess = file["scores/band_excess/mean"][0, :, :, 3].ravel()
    open_page(page, atlas, "#/heads?color=sensitivity%3A4")
    for head in (0, 5):
        label = page.locator(f"[data-head='{head}']").get_attribute("aria-label")
        assert abs(float(label.rsplit(" ", 1)[1]) - cost[head, 1]) < 0.006 * cost[head, 1], label

    def rho(a, b):
        ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
        return np.corrcoef(*ranks)[0, 1]

    def said():
        return float(re.search(r"rank correlation (\S+) over 8 heads", page.locator(".relation figcaption").inner_text()).group(1).replace("−", "-"))

    open_page(page, atlas, "#/sensitivity")
    assert abs(said() - rho(variance, cost[:, 0])) < 0.006
    matrix = [svg for svg in page.locator("#sensitivity figure svg").all_text_contents() if "Band excess" in svg and "Column variance" in svg]
    assert f"{rho(excess, cost[:, 0]):.2f}" in matrix[0] and f"{rho(excess, variance):.2f}" in matrix[0], matrix[0]
    page.locator("select[name=x]").select_option("score:entropy")
    page.locator("select[name=y]").select_option("score:column_variance")
    assert "x=score" in page.evaluate("location.hash") and "y=score" in page.evaluate("location.hash")
    with h5py.File(atlas.folder / "scores.h5") as file:
        entropy = file["scores/entropy/mean"][0, :, :, 3].ravel()
    assert abs(said() - rho(entropy, variance)) < 0.006
    assert page.locator(".relation circle.fill-contextual").count() == 5 and page.locator(".relation rect.fill-structural").count() == 5  # with the legend's
    page.locator(".relation a[aria-label^='Layer 1, head 2']").click()
    assert page.evaluate("location.hash") == "#/head/1/2"
    assert "Sensitivity by tokens carried" in page.locator("#head").inner_text()


def test_methods_are_those_of_the_comparison(page, atlas):
    compare = json.loads((atlas.folder / "compare.json").read_text())
    open_page(page, atlas, "#/compare")
    table = page.locator("#compare table").first
    assert table.locator("thead th").all_inner_texts()[1:] == ["25 % of lossless", "50 % of lossless"]
    rows = {cells[0]: cells[1:] for cells in (row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all())}
    for cell in compare["cells"]:
        text = rows[cell["method"]][0 if cell["budget"] == 0.25 else 1]
        kl = cell["teacher_forced"]["kl"]
        best = kl["mean"] == min(other["teacher_forced"]["kl"]["mean"] for other in compare["cells"] if other["budget"] == cell["budget"])
        assert text.startswith("best ") == best, text
        numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
        for found, expected in zip(numbers, (kl["mean"], kl["low"], kl["high"]), strict=True):
            assert abs(found - expected) < 0.006 * expected, (text, kl)
    assert "worse: 2 (" in page.locator("#compare").inner_text()  # uniform:window against hack
    assert page.locator("#compare figure svg[role=img]").count() >= 3
    front = page.locator(".methods .note").inner_text()
    assert front == "On the Pareto front, by size: hack at 25 %, hack at 50 %.", front
    page.locator(".methods select[name=figure]").select_option("agreement")
    assert "Token agreement" in page.locator(".methods figcaption").inner_text()
    assert page.locator(".methods polyline").count() == 2 + 1
    page.locator("select[name=methods]").select_option("all")
    assert page.locator(".methods polyline").count() == 4 + 1
    assert "methods=all" in page.evaluate("location.hash") and "figure=agreement" in page.evaluate("location.hash")
    page.reload()
    assert page.locator(".methods polyline").count() == 4 + 1


def test_contrast_is_enough_in_both_themes(page, atlas):
    for theme in ["light", "dark"]:
        page.emulate_media(color_scheme=theme)
        for place in PAGES + ["heads?color=score%3Aentropy", "head/0/0?kept=2&show=difference"]:
            open_page(page, atlas, f"#/{place}")
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            checked, poor = browsing.contrast_faults(page)
            assert checked > 20, (theme, place, checked)
            assert not poor, f"{theme} {place}:\n  " + "\n  ".join(poor)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    page.locator(".theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_phone_shows_every_page_without_scrolling_sideways(page, atlas):
    page.set_viewport_size({"width": 360, "height": 740})
    for place in PAGES:
        open_page(page, atlas, f"#/{place}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, (place, width)
    open_page(page, atlas, "#/head/0/1?step=3")
    expected = raw_map(atlas, 0, 1, 3)
    page.locator("canvas.map").scroll_into_view_if_needed()
    said = point_at(page, 9, 14)
    assert close(said["weight"], expected[9, 14])


def test_print_leaves_out_what_paper_cannot_do(page, atlas):
    page.emulate_media(color_scheme="dark", media="print")
    open_page(page, atlas, "#/head/1/1")
    assert not page.locator(".controls").first.is_visible() and not page.locator("nav").is_visible()
    assert page.locator("canvas.map").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 10_000


def test_without_scripts_the_document_is_whole(page, atlas):
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(atlas.address())
    for section in ["summary", "heads", "scores", "sensitivity", "maps", "budgets", "replay", "images", "compare", "provenance"]:
        assert plain.locator(f"section#{section}").is_visible(), section
    context.close()


def test_names_from_files_stay_names(page, atlas):
    folder = atlas.folder / "hostile"
    folder.mkdir()
    name = HOSTILE.replace("/", "")
    for kind in ["plan.json", "replay.json"]:
        shutil.copy(atlas.folder / f"hack-60.{kind}", folder / f"{name}.{kind}")
    plan = json.loads((folder / f"{name}.plan.json").read_text())
    plan["notes"] = [HOSTILE]
    (folder / f"{name}.plan.json").write_text(json.dumps(plan))
    other = Atlas(atlas.kvscope, atlas.folder, "hostile_report", plans=[f"hostile/{name}"])
    for place in PAGES + [f"head/1/3?kept=0"]:
        open_page(page, other, f"#/{place}")
        assert page.title().endswith("- kvscope")
        assert page.locator("img[src=x]").count() == 0
    open_page(page, other, "#/plan")
    assert page.locator("select[name=plan] option").inner_text() == name
    assert HOSTILE in page.locator(".plan-explorer").inner_text()


def test_a_bounded_page_says_what_it_pooled(page, atlas):
    size = atlas.page.stat().st_size
    attention = sum(len(part) for part in re.findall(r'id="head-data-\d+">([^<]*)<', atlas.page.read_text()))
    wanted = size - int(0.75 * attention)
    least = 8  # bits
    small = Atlas(atlas.kvscope, atlas.folder, "small_report", more=["--max-size", str(wanted / 1e6)])
    assert "--max-size" in small.messages and small.page.stat().st_size <= wanted
    open_page(page, small, "")
    note = page.locator("#atlas").inner_text()
    assert "--max-size" in note, note
    side = int(re.search(r"at most (\d+) × \d+ cells", note).group(1)) if "pooled" in note else 0
    expected = raw_map(atlas, 0, 1, 3)
    open_page(page, small, "#/head/0/1?step=3&source=raw")
    for query, key in [(0, 0), (15, 29), (7, 13)]:
        rows, columns = cell_around(query, 16, side), cell_around(key, 30, side)
        cell = expected[rows, columns].mean()
        said = point_at(page, query, key)
        assert close(said["weight"], cell, least), (side, said, cell)


def cell_around(token, extent, side):
    """The tokens of the pooled cell that holds one, with at most `side` cells; 0: not pooled."""
    cells = min(extent, side or extent)
    edges = [cell * extent // cells for cell in range(cells + 1)]
    return next(slice(start, end) for start, end in zip(edges, edges[1:]) if start <= token < end)


def make_files(write_run, kvscope, folder):
    subprocess.run([write_run, folder], check=True)
    heads = json.loads((folder / "heads.json").read_text())
    for head in heads["heads"][:3]:
        head["class"] = "contextual"
    heads["method"] = "published"
    (folder / "other.heads.json").write_text(json.dumps(heads))
    return Atlas(kvscope, folder, "report")


def main():
    kvscope, write_run, *wanted = sys.argv[1:]
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_") and (not wanted or wanted[0] in name)]
    assert tests, "no test of that name"
    failed = 0
    with tempfile.TemporaryDirectory() as folder, browsing.chromium() as browser:
        atlas = make_files(write_run, kvscope, pathlib.Path(folder))
        for name, test in tests:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(20000)
            page = context.new_page()
            complaints = browsing.Complaints()
            complaints.watch(page)
            try:
                test(page, atlas)
                assert not complaints.found, complaints.found
                print(f"passed  {name}", flush=True)
            except Exception as error:  # every test is run and reported
                failed += 1
                where = next((frame for frame in reversed(list(iterate_frames(error))) if frame[0].endswith("browser_test.py")), ("", 0))
                print(f"FAILED  {name} (line {where[1]}): {type(error).__name__}: {error}\n        {complaints.found}", flush=True)
            context.close()
    print(f"{len(tests) - failed} of {len(tests)} passed")
    return 1 if failed else 0


def iterate_frames(error):
    trace = error.__traceback__
    while trace:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


if __name__ == "__main__":
    sys.exit(main())
