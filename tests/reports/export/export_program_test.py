"""Exports maps of a capture made with h5py and reads every file back with numpy alone.

usage: export_program_test.py EXAMPLE KVSCOPE
"""

import csv
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
import zlib

import h5py
import numpy as np

NAME = "map_layer_01_head_02_step_03_sample_001_unconditional"
KEYS = ["--layers", "1", "--heads", "2", "--steps", "last", "--samples", "1", "--branches", "unconditional"]


def run(*words, status=0):
    result = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert result.returncode == status, (words, result.returncode, result.stderr)
    return result.stdout


def palette_png(path):
    """Indices [height, width] and palette [256, 3] of a PNG without filters, as the format says."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        kind = data[position + 4 : position + 8]
        content = data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack(">I", data[position + 8 + length : position + 12 + length])
        assert crc == zlib.crc32(kind + content), kind
        chunks[kind] = chunks.get(kind, b"") + content
        position += 12 + length
    width, height, bits, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (bits, colour) == (8, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3), chunks[b"tEXt"]


def check_map(out, weights):
    np.testing.assert_array_equal(np.load(out / f"{NAME}.npy"), weights)
    archive = np.load(out / f"{NAME}.npz")
    assert archive.files == ["weights"]
    np.testing.assert_array_equal(archive["weights"], weights)
    with open(out / f"{NAME}.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert header[:5] == ["query_t", "query_y", "query_x", "s0_y0_x0", "s1_y0_x0"] and header[-1] == "s3_y4_x5"
    np.testing.assert_array_equal(np.array([line[3:] for line in lines], np.float32), weights)
    np.testing.assert_array_equal([line[1:3] for line in lines][7], ["1", "1"])  # 6 queries in a row of the 5 x 6 grid

    pixels, palette, text = palette_png(out / f"{NAME}.png")
    multiples = weights.astype(np.float64) * weights.shape[1]
    levels = 255 * np.log10(np.clip(multiples, 0.1, 100) / 0.1) / 3
    assert np.abs(pixels - levels).max() <= 0.51
    np.testing.assert_array_equal(palette[[0, 255]], [[68, 1, 84], [253, 231, 37]])
    assert b"log, floor 0.1 to 100, fixed" in text


def check_svg(path):
    root = xml.parse(path).getroot()
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("log, floor 0.1 to 100, fixed" in word for word in words), words
    assert any("Queries of" in word for word in words)


def check_pdf(path):
    """One page whose text can be taken out again; the tools are poppler's."""
    assert path.read_bytes().startswith(b"%PDF-")
    if not (shutil.which("pdfinfo") and shutil.which("pdftotext")):
        print("text of PDF is not checked: no pdfinfo, pdftotext (poppler-utils)")
        return
    assert re.search(r"Pages:\s+1\n", run("pdfinfo", path))
    assert "Keys by source scale" in run("pdftotext", path, "-")


def main():
    example, kvscope = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        capture, out = folder / "capture.h5", folder / "out"
        run(sys.executable, example, "--store", "maps", capture)
        with h5py.File(capture) as file:
            weights = file["maps/layer_01/head_02/step_03"][1, 1]
        has_pdf = shutil.which("rsvg-convert") is not None
        formats = "svg,png,csv,npy,npz" + (",pdf" if has_pdf else "")
        export = [kvscope, "export", "--view", "map", "--capture", capture, *KEYS, "-o", out]
        summary = json.loads(run(*export, "--format", formats, "--json"))
        assert summary["items"] == 1 and summary["exports"][0]["name"] == NAME
        check_map(out, weights)
        check_svg(out / f"{NAME}.svg")
        if has_pdf:
            check_pdf(out / f"{NAME}.pdf")
        else:
            print("PDF is not checked: no rsvg-convert (librsvg2-bin)")
        run(kvscope, "export", "--from", out / f"{NAME}.json", "-o", folder / "again")
        for file in out.iterdir():
            assert file.read_bytes() == (folder / "again" / file.name).read_bytes(), file.name

        run(*export, "--format", formats, status=2)  # exists
        run(*export, "--scaling", "log", "--range", "0:1", status=2)
        run(*export, "--scaling", "quantile", "--range", "0:1", status=2)
        run(*export, "--color-map", "jet", status=2)
        run(kvscope, "export", "--from", capture, status=3)
        run("env", f"PATH={folder}", kvscope, "export", "--view", "map", "--capture", capture, "-o", folder / "pdf", "--format", "pdf",
            status=4) if shutil.which("env") else None

        scores = [kvscope, "export", "--view", "scores", "--capture", capture, "-o", out, "--only", "entropy", "--format", "csv,npy,npz"]
        (entry,) = json.loads(run(*scores, "--json"))["exports"]
        archive = np.load(out / f"{entry['name']}.npz")
        assert archive["mean"].shape == (2, 4)
        np.testing.assert_array_equal(np.load(out / f"{entry['name']}.npy"), archive["mean"])
        (bands,) = json.loads(run(kvscope, "export", "--view", "bands", "--capture", capture, "--layers", "0", "--heads", "1", "-o", out,
                                  "--format", "npz", "--json"))["exports"]
        archive = np.load(out / f"{bands['name']}.npz")
        assert archive["band_mass"].shape == (4, 4, 4) and list(archive["radii"]) == [0, 1, 2, 4]
    print("exports read back")


if __name__ == "__main__":
    main()
