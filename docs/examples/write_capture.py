#!/usr/bin/env python3
"""Writes a kvscope capture from attention maps of any runtime, with NumPy and h5py alone.

A runtime hands its softmax maps over, step by step; CaptureFile either keeps them (small models) or only their statistics
(any size), and `kvscope inspect --check`, `analyze`, `classify` and `plan` work on the file. The format is described in
docs/formats/capture.md.

    python3 write_capture.py toy.h5               statistics of a made-up model
    python3 write_capture.py --store maps toy.h5  its raw maps; kvscope computes the statistics from them
    kvscope inspect --check toy.h5
"""

import argparse
import json

import h5py
import numpy as np

RADII = (0, 1, 2, 4)  # Chebyshev radii of band_mass
REACH = 8             # displacements beyond it are counted in the outermost bins
KIND_IMAGE = 0        # 1 is text, 2 anything else


def corresponding(n_query, n_source):
    """For every query index of an axis the source index below its middle: floor((i + 1/2) n_source / n_query)."""
    return (2 * np.arange(n_query) + 1) * n_source // (2 * n_query)


def displacements(own, source):
    """dy and dx [queries, source tokens] between a key and the query's corresponding place; grids are (h, w)."""
    centre_y, centre_x = np.meshgrid(corresponding(own[0], source[0]), corresponding(own[1], source[1]), indexing="ij")
    y, x = np.meshgrid(np.arange(source[0]), np.arange(source[1]), indexing="ij")
    return y.ravel()[None, :] - centre_y.ravel()[:, None], x.ravel()[None, :] - centre_x.ravel()[:, None]


def statistics_of_map(a, grids, step):
    """All statistics of one softmax map a [queries, keys] that follow from the map alone."""
    a = a.astype(np.float64)
    n = len(a)
    own = grids[step]
    column_mean = a.mean(axis=0)
    result = {
        "column_variance": a.var(axis=0).sum(),
        "square_sum": (a**2).sum() / n,
        "entropy": -(a * np.log(np.where(a > 0, a, 1))).sum() / n,
        "column_mean": column_mean,
        "column_mean_square": column_mean**2,
        "column_second_moment": (a**2).mean(axis=0),
    }
    mass, square, bands, histograms = [], [], [], []
    begin = 0
    for source in grids[: step + 1]:
        part = a[:, begin : begin + source[0] * source[1]]
        begin += part.shape[1]
        mass.append(part.sum() / n)
        square.append((part**2).sum() / n)
        dy, dx = displacements(own, source)
        distance = np.maximum(abs(dy), abs(dx))
        bands.append([part[distance <= radius].sum() / n for radius in RADII])
        histogram = np.zeros((1, 2 * REACH + 1, 2 * REACH + 1))
        np.add.at(histogram[0], (dy.clip(-REACH, REACH) + REACH, dx.clip(-REACH, REACH) + REACH), part / n)
        histograms.append(histogram)
    result.update(source_mass=mass, source_square_sum=square, band_mass=bands, displacement=histograms)
    return result


PER_SAMPLE = ("column_variance", "square_sum", "entropy", "source_mass", "source_square_sum", "band_mass")
MEANS = ("column_mean", "column_mean_square", "column_second_moment", "displacement")


class CaptureFile:
    """Collects one sample after the other; close() completes the file."""

    def __init__(self, path, model, grids, samples, store):
        self.file = h5py.File(path, "w")
        self.model, self.grids, self.samples, self.store = model, grids, samples, store
        self.shape = (len(model["branches"]), model["layers"], model["heads"])
        self.file.attrs.update({
            "format": "kvscope-capture", "version": 1, "complete": 0, "samples": samples,
            "model": json.dumps(model),
            "run": json.dumps({"command_line": "write_capture.py", "versions": {"h5py": h5py.__version__}}),
        })
        steps = np.array([[KIND_IMAGE, 1, h, w, 1] for h, w in grids], np.int32)
        self.file["steps"] = steps
        self.file["steps"].attrs["columns"] = ["kind", "t", "h", "w", "stays"]
        self.file["samples/label"] = np.zeros(samples, np.int64)

    def _dataset(self, path, shape):
        if path not in self.file:
            self.file.create_dataset(path, shape, np.float32, fletcher32=len(shape) > 0, chunks=True)
            if path.endswith("band_mass"):
                self.file[path].attrs["radii"] = RADII
        return self.file[path]

    def add(self, sample, branch, layer, head, step, attention):
        """attention: the softmax map [queries, keys] of one head; keys of all steps so far, coarse to fine."""
        if self.store == "maps":
            path = f"maps/layer_{layer:02}/head_{head:02}/step_{step:02}"
            self._dataset(path, (self.samples, self.shape[0], *attention.shape))[sample, branch] = attention
            return
        for name, value in statistics_of_map(attention, self.grids, step).items():
            value = np.asarray(value)
            if name in PER_SAMPLE:
                dataset = self._dataset(f"statistics/step_{step:02}/{name}", (self.samples, *self.shape, *value.shape))
                dataset[sample, branch, layer, head] = value
            if name in MEANS:
                dataset = self._dataset(f"means/step_{step:02}/{name}", (*self.shape, *value.shape))
                dataset[branch, layer, head] += value / self.samples

    def close(self):
        self.file.attrs["complete"] = 1
        self.file.close()


def made_up_map(rng, grids, step, contextual):
    """What the two kinds of heads look like: vertical stripes, or a diagonal band on every source."""
    own = grids[step]
    logits = []
    for source in grids[: step + 1]:
        dy, dx = displacements(own, source)
        logits.append(-2.0 * np.maximum(abs(dy), abs(dx)))
    logits = np.concatenate(logits, axis=1)
    if contextual:
        logits = np.tile(4.0 * rng.standard_normal(logits.shape[1]), (len(logits), 1))
    weights = np.exp(logits + 0.2 * rng.standard_normal(logits.shape))
    return weights / weights.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--store", choices=["statistics", "maps"], default="statistics")
    parser.add_argument("--samples", type=int, default=4)
    arguments = parser.parse_args()

    grids = [(1, 1), (2, 2), (3, 4), (5, 6)]
    model = {
        "family": "toy", "fingerprint": "none", "layers": 2, "heads": 4, "kv_heads": 4, "head_dim": 16, "softmax_scale": [0.25],
        "branches": ["conditional", "unconditional"], "key_type": "float32", "value_type": "float32",
    }
    capture = CaptureFile(arguments.output, model, grids, arguments.samples, arguments.store)
    rng = np.random.default_rng(0)
    for sample in range(arguments.samples):
        for branch in range(2):
            for layer in range(model["layers"]):
                for head in range(model["heads"]):
                    for step in range(len(grids)):
                        capture.add(sample, branch, layer, head, step, made_up_map(rng, grids, step, contextual=head % 2 == 0))
    capture.close()


if __name__ == "__main__":
    main()
