"""Holds what kvscope_bench_gpu lists against closed forms, and what it does without a GPU. Argument: the program."""

import json
import subprocess
import sys

program = sys.argv[1]
text = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
ids = [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]
assert ids == sorted(ids, key=lambda name: int(name[1:])), ids
assert ids == ["G1", "G2", "G3", "G4", "G6", "G7", "G8", "G9", "G10", "G11"], ids

cases = json.loads(subprocess.run([program, "--list-json"], check=True, capture_output=True, text=True).stdout)
by_name = {(case["id"], case["case"]): case for case in cases}
assert len(by_name) == len(cases), "two cases have one name"
assert {case["id"] for case in cases} == set(ids)
assert all(case["bytes"] > 0 for case in cases), [case for case in cases if case["bytes"] <= 0]

# The last scale of Infinity-2B: 4 head_dim r_k S_k FLOP in each of 16 heads and 2 rows; queries, output, keys and values
# of 2 bytes.
last = by_name["G2", "Infinity-2B scale 13, 1 image"]
assert last["flop"] == 4 * 128 * 4096 * 10521 * 32, last
assert last["bytes"] == 2 * 128 * 32 * (2 * 4096 + 2 * 10521), last
assert by_name["G2", "Infinity-2B scale 13, 8 images"]["flop"] == 8 * last["flop"]
# VAR-d30, 16 images: 960 pairs.
assert by_name["G3", "VAR-d30 scale 10, 16 images"]["flop"] == 4 * 64 * 256 * 680 * 960
# 70 % of the last scale saves 70 % of the FLOP, whatever the spread, up to roundings to whole keys.
for spread in ("two-class", "adaptive"):
    compressed = by_name["G1", f"Infinity-2B scale 13, 1 image, 70 % {spread}"]
    assert abs(compressed["flop"] / last["flop"] - 0.3) < 1e-3, (spread, compressed)
# 32 layers of it in 16 bits, all scales but the last.
assert by_name["G8", "Infinity-2B size, 1 image"]["bytes"] == 4 * (10521 - 4096) * 2 * 32 * 2048
assert abs(by_name["G8", "Infinity-2B size, 1 image"]["flop"] - 35.91e12) < 0.005e12
assert by_name["G7", "3156 of 10521 in 32 rows"]["bytes"] == 32 * 4 * (10521 + 3156)

one = subprocess.run([program, "--list", "--only", "G7"], check=True, capture_output=True, text=True).stdout
assert one.startswith("G7") and "G1 " not in one, one
unknown = subprocess.run([program, "--only", "G99"], capture_output=True, text=True)
assert unknown.returncode == 2 and "G99" in unknown.stderr, unknown
cpu = subprocess.run([program, "--device", "cpu"], capture_output=True, text=True)
assert cpu.returncode == 2 and "cuda" in cpu.stderr, cpu

absent = subprocess.run([program, "--device", "cuda:99", "--only", "G7"], capture_output=True, text=True)
assert absent.returncode == 4, absent
assert len(absent.stderr.splitlines()) == 1, absent.stderr
assert absent.stdout == "", absent.stdout
