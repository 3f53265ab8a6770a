"""Holds the results of a quick run against their schema. Arguments: the schema, the results, the program."""

import json
import subprocess
import sys

import jsonschema

schema_path, results_path, program = sys.argv[1:4]
with open(schema_path) as file:
    schema = json.load(file)
with open(results_path) as file:
    document = json.load(file)
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.Draft7Validator(schema).validate(document)

listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
ids = [line.split()[0] for line in listed.splitlines()]
assert ids == sorted(ids, key=lambda name: int(name[1:])), ids
found = {result["id"] for result in document["results"]}
missing = set(ids) - found
# Not every machine has AVX2 and OpenBLAS (C3), or NumPy and h5py (C6, C7).
assert missing <= {"C3", "C6", "C7"}, f"no results for {sorted(missing)}"
assert found <= set(ids), f"unknown ids {sorted(found - set(ids))}"
for result in document["results"]:
    assert result["low"] <= result["ratio"] <= result["high"], result

# The schema must refuse what it is there to refuse.
broken = json.loads(json.dumps(document))
broken["results"][0]["ratio"] = None
assert list(jsonschema.Draft7Validator(schema).iter_errors(broken)), "a result without a ratio passed"

unknown = subprocess.run([program, "--only", "C99"], capture_output=True, text=True)
assert unknown.returncode == 2 and "C99" in unknown.stderr, unknown
