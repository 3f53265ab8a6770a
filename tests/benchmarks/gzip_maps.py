"""Writes or reads float32 attention maps as one does with h5py and its gzip filter.

Arguments: write or read, the file, the number of maps. Prints JSON: the seconds from opening to closing the file, without
starting Python and making the maps up.
"""

import json
import sys
import time

import h5py
import numpy as np

action, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
shape = 1, 1, 256, 680  # the last scale of VAR at 256 pixels
if action == "write":
    weights = np.exp(2 * np.random.default_rng(1).standard_normal((count, *shape), dtype=np.float32))
    weights /= weights.sum(axis=-1, keepdims=True)
    begin = time.perf_counter()
    with h5py.File(path, "w") as file:
        for number in range(count):
            file.create_dataset(f"map_{number}", data=weights[number], chunks=shape, compression="gzip", compression_opts=4)
else:
    begin = time.perf_counter()
    with h5py.File(path) as file:
        maps = [file[f"map_{number}"][...] for number in range(count)]
    assert all(abs(one.sum() - shape[2]) < 0.01 for one in maps)
print(json.dumps({"seconds": time.perf_counter() - begin}))
