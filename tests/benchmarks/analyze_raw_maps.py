"""What one writes with NumPy and h5py to get column means and variances, and entropies, out of a capture's raw maps.

Arguments: the file, and "moments" or "entropy" (both). Prints JSON: the seconds from opening the file to the results,
without starting Python, and of the last step, conditional branch, first layer: column_variance and entropy of each head,
means over samples.
"""

import json
import sys
import time

import h5py
import numpy as np

path, with_entropy = sys.argv[1], sys.argv[2] == "entropy"
begin = time.perf_counter()
column_mean, column_variance, entropy = {}, {}, {}
with h5py.File(path) as file:
    layers, heads = (json.loads(file.attrs["model"])[name] for name in ("layers", "heads"))
    steps = len(file["steps"])
    for step in range(steps):
        for layer in range(layers):
            for head in range(heads):
                maps = file[f"maps/layer_{layer:02}/head_{head:02}/step_{step:02}"][...]  # [sample, branch, query, key]
                maps = maps.astype(np.float32, copy=False)  # NumPy's arithmetic on float16 is 50 times slower
                place = layer, head, step
                column_mean[place] = maps.mean(axis=2).mean(axis=0)
                column_variance[place] = maps.var(axis=2).sum(axis=-1).mean(axis=0)
                if with_entropy:
                    logarithms = np.log(maps, out=np.zeros_like(maps), where=maps > 0)
                    entropy[place] = -(maps * logarithms).sum(axis=-1).mean(axis=(0, 2))
seconds = time.perf_counter() - begin

last = [(0, head, steps - 1) for head in range(heads)]
print(json.dumps({
    "seconds": seconds,
    "column_variance": [float(column_variance[place][0]) for place in last],
    "entropy": [float(entropy[place][0]) for place in last] if with_entropy else [],
}))
