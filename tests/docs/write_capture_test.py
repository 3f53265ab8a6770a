"""Runs docs/examples/write_capture.py and lets kvscope check, compare and analyse what it wrote.

usage: write_capture_test.py EXAMPLE KVSCOPE
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE).stdout


def check_scores(a, b):
    """Statistics computed by NumPy and by kvscope from the same maps give the same scores."""
    with h5py.File(a) as left, h5py.File(b) as right:
        names = [name for name in left["scores"] if name in right["scores"]]
        assert "column_variance" in names and "band_mass" in names, names
        for name in names:
            x, y = left[f"scores/{name}/mean"][()], right[f"scores/{name}/mean"][()]
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6, err_msg=name)


def main():
    example, kvscope = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for store in ("statistics", "maps"):
            capture = folder / f"{store}.h5"
            run(sys.executable, example, "--store", store, capture)
            report = json.loads(run(kvscope, "inspect", "--check", "--json", capture))
            assert report["check"] == "passed", report
            run(kvscope, "analyze", capture, "-o", folder / f"{store}_scores.h5")
        check_scores(folder / "statistics_scores.h5", folder / "maps_scores.h5")
        run(kvscope, "classify", folder / "statistics_scores.h5", "--method", "variance", "--alpha", "0.5", "-o", folder / "heads.json")
        heads = json.loads((folder / "heads.json").read_text())["heads"]
        found = {(head["layer"], head["head"]): head["class"] for head in heads}
        assert found == {(l, h): ("contextual" if h % 2 == 0 else "structural") for l in range(2) for h in range(4)}, found

        with h5py.File(folder / "statistics.h5", "r+") as file:
            file["statistics/step_03/entropy"][0, 0, 0, 0] = 99
        broken = subprocess.run([kvscope, "inspect", "--check", folder / "statistics.h5"], stderr=subprocess.PIPE, text=True)
        assert broken.returncode == 3 and "/statistics/step_03/entropy" in broken.stderr, broken.stderr


main()
