#!/usr/bin/env python3
"""Plans of every method satisfy plan.schema.json, and broken ones do not.

usage: plan_schema_test.py KVSCOPE SCHEMA
Exit status 77 (skipped) where h5py, numpy or jsonschema are missing.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import jsonschema
    import numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SIDES = [1, 2, 3, 4]
LAYERS, HEADS = 2, 3
METHODS = [
    ["full"],
    ["lossless"],
    ["uniform", "--compression", "0.5", "--rule", "window"],
    ["hack", "--compression", "0.6"],
    ["hack++", "--attend", "0.4", "--carry", "0.2", "--elements", "int8"],
]


def write_capture(path):
    """The smallest capture that a plan can be made from: geometry, column means and ranges of keys and values."""
    draw = numpy.random.default_rng(7)
    tokens = [side * side for side in SIDES]
    model = {"family": "var", "fingerprint": "00" * 32, "layers": LAYERS, "heads": HEADS, "kv_heads": HEADS,
             "head_dim": 16, "branches": ["conditional", "unconditional"], "key_type": "float32",
             "value_type": "bfloat16"}
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "kvscope-capture", "version": 1, "complete": 1, "samples": 4,
                           "model": json.dumps(model), "run": "{}"})
        file["steps"] = numpy.array([[0, 1, side, side, 1] for side in SIDES], dtype="i4")
        for step in range(len(SIDES)):
            attention = draw.random((2, LAYERS, HEADS, sum(tokens[: step + 1]))).astype("f4")
            attention /= attention.sum(axis=-1, keepdims=True)
            file[f"means/step_{step:02d}/column_mean"] = attention
            for name in ("key_range", "value_range"):
                low, high = numpy.sort(draw.normal(size=(2, 2, LAYERS, HEADS, 16)).astype("f4"), axis=0)
                file[f"means/step_{step:02d}/{name}"] = numpy.stack([low, high, (low + high) / 2], axis=3)
            file[f"means/step_{step:02d}"].attrs["samples"] = 4


def write_heads(path):
    heads = [{"layer": layer, "head": head, "class": "contextual" if head == 0 else "structural", "score": 0.0,
              "margin": 0.0} for layer in range(LAYERS) for head in range(HEADS)]
    path.write_text(json.dumps({"format": "kvscope-heads", "version": 1, "method": "by hand", "parameters": {},
                                "heads": heads}))


def broken_plans(plan):
    """Pairs of what is wrong and a plan in which it is."""
    def changed(change):
        document = copy.deepcopy(plan)
        change(document)
        return document

    rule = next(iter(plan["rules"]))
    yield "format", changed(lambda p: p.update(format="kvscope-heads"))
    yield "version", changed(lambda p: p.update(version=2))
    yield "no heads", changed(lambda p: p.update(heads=[]))
    yield "no steps", changed(lambda p: p.pop("steps"))
    yield "fraction of a token", changed(lambda p: p["heads"][0]["attend"].__setitem__(0, 1.5))
    yield "nothing attended to", changed(lambda p: p["heads"][0]["attend"].__setitem__(0, 0))
    yield "negative carry", changed(lambda p: p["heads"][0]["carry"].__setitem__(0, -1))
    yield "class", changed(lambda p: p["heads"][0].update({"class": "important"}))
    yield "score", changed(lambda p: p["rules"][rule]["score"].update(kind="entropy"))
    yield "unknown slot", changed(lambda p: p["rules"][rule].update(quantise={}))
    yield "missing slot", changed(lambda p: p["rules"][rule].pop("losers"))
    yield "even width", changed(lambda p: p["rules"][rule]["smooth"].update(width=4))
    yield "a set twice", changed(lambda p: p["rules"][rule]["protect"].update(gives_way=["first-steps"] * 3))
    yield "element type", changed(lambda p: p["model"].update(key_type="float9"))
    if "quantisation" in plan["heads"][0]:
        yield "kind of elements", changed(lambda p: p["heads"][0].update(elements="int4"))
        yield "lack of parameters", changed(lambda p: p["heads"][0].pop("quantisation"))
        yield "lack of offsets", changed(lambda p: p["heads"][0]["quantisation"]["key"].pop("offset"))
        yield "scale of 0", changed(lambda p: p["heads"][0]["quantisation"]["value"]["scale"].__setitem__(3, 0))
    yield "hash", changed(lambda p: p["made_from"]["capture"].update(sha256="abc"))


def main():
    program, schema_path = sys.argv[1:3]
    schema = json.loads(pathlib.Path(schema_path).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_capture(folder / "capture.h5")
        write_heads(folder / "heads.json")
        for method in METHODS:
            subprocess.run([program, "plan", "--method", *method, "--capture", folder / "capture.h5", "--heads",
                            folder / "heads.json", "-o", folder / "plan.json"], check=True, stdout=subprocess.DEVNULL)
            plan = json.loads((folder / "plan.json").read_text())
            failures += [f"{method[0]}: {error.json_path}: {error.message}" for error in validator.iter_errors(plan)]
            for what, broken in broken_plans(plan):
                if validator.is_valid(broken):
                    failures.append(f"{method[0]}: the schema accepts a plan with a wrong {what}")
                # What the schema refuses the program refuses too; hashes are compared only when asked. One method
                # is enough: every start of the program loads LibTorch.
                if method[0] != "hack++":
                    continue
                (folder / "broken.json").write_text(json.dumps(broken))
                checked = subprocess.run([program, "plan", "check", folder / "broken.json"], capture_output=True)
                if what != "hash" and checked.returncode != 3:
                    failures.append(f"{method[0]}: plan check ends with {checked.returncode} for a wrong {what}")
    print("\n".join(failures) or "every plan satisfies the schema, no broken one does")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
