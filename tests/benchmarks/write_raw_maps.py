"""Writes a capture that holds nothing but raw attention maps, as a runtime without kvscope would, with NumPy and h5py.

Arguments: the file, its size in 1e9 bytes, the element type (float32 or float16). Geometry: the ten scales of VAR-d16,
layers of 16 heads, two branches; as many samples as fit, and fewer layers where not even one does. Some maps are made up
and written again and again: what they hold costs nobody time.
"""

import json
import sys

import h5py
import numpy as np

SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
HEADS = 16
BRANCHES = 2
DISTINCT = 5

path, gigabytes, dtype = sys.argv[1], float(sys.argv[2]), np.dtype(sys.argv[3])
tokens = [side * side for side in SIDES]
keys = np.cumsum(tokens)
layer_bytes = int(np.dot(tokens, keys)) * HEADS * BRANCHES * dtype.itemsize
layers = int(np.clip(gigabytes * 1e9 / layer_bytes, 1, 16))
samples = max(1, round(gigabytes * 1e9 / (layer_bytes * layers)))

random = np.random.default_rng(1)
with h5py.File(path, "w") as file:
    model = {"family": "var", "fingerprint": "0" * 64, "layers": layers, "heads": HEADS, "head_dim": 64,
             "branches": ["conditional", "unconditional"], "key_type": "float32", "value_type": "float32"}
    file.attrs.update({"format": "kvscope-capture", "version": 1, "samples": samples, "model": json.dumps(model)})
    file["steps"] = np.array([[0, 1, side, side, 1] for side in SIDES], np.int32)
    for step, (n_query, n_key) in enumerate(zip(tokens, keys)):
        weights = np.exp(2 * random.standard_normal((DISTINCT, n_query, n_key), dtype=np.float32))
        weights /= weights.sum(axis=-1, keepdims=True)
        weights = weights.astype(dtype)
        number = 0
        for layer in range(layers):
            for head in range(HEADS):
                chosen = (number + np.arange(samples * BRANCHES)) % DISTINCT
                number += samples * BRANCHES + 1
                file[f"maps/layer_{layer:02}/head_{head:02}/step_{step:02}"] = weights[chosen].reshape(
                    samples, BRANCHES, n_query, n_key)
