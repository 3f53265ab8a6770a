#!/usr/bin/env python3
"""Makes golden.h5 and tiny.safetensors: what two image classifiers see, computed with NumPy in double precision.

usage: make_golden.py EVALUATOR.pth RECONSTRUCTIONS.png

`tiny` has random weights (seed 7), 5 convolutions and images of 9 x 6 pixels: odd sides, unequal widths.
`bundled` is the evaluator of the sample model on the first 20 test images of Fashion-MNIST, which are the two
upper rows of the picture, magnified three times.
"""
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
FASHION_MNIST_LABELS = [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1, 2, 4, 8, 0]


def convolution(image, weight, bias):
    """image [c, h, w], weight [o, c, 3, 3]; padding 1."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    height, width = image.shape[1:]
    result = np.zeros((weight.shape[0], height, width)) + bias[:, None, None]
    for dy in range(3):
        for dx in range(3):
            result += np.einsum("oc,chw->ohw", weight[:, :, dy, dx], padded[:, dy : dy + height, dx : dx + width])
    return result


def pooled(image):
    channels, height, width = image.shape
    even = image[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))


def evaluate(tensors, picture):
    """picture [h, w, 3] uint8; returns features and logits."""
    image = picture.astype(np.float64).transpose(2, 0, 1) / 127.5 - 1
    number = 1
    while f"conv{number}.weight" in tensors:
        weight, bias = (tensors[f"conv{number}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        image = np.maximum(convolution(image, weight, bias), 0)
        if number in (2, 4):
            image = pooled(image)
        number += 1
    features = image.mean(axis=(1, 2))
    return features, tensors["fc.weight"].astype(np.float64) @ features + tensors["fc.bias"]


def tiny_evaluator(random):
    tensors, channels = {}, 3
    for number, width in enumerate((5, 4, 7, 6, 8), start=1):
        tensors[f"conv{number}.weight"] = random.normal(0, 1 / np.sqrt(4 * channels), (width, channels, 3, 3))
        tensors[f"conv{number}.bias"] = random.normal(0, 0.1, width)
        channels = width
    tensors["fc.weight"] = random.normal(0, 1, (4, channels))
    tensors["fc.bias"] = random.normal(0, 0.1, 4)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def write_safetensors(path, tensors):
    header, payload = {}, b""
    for name, value in tensors.items():
        data = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(payload), len(payload) + len(data)]}
        payload += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + payload)


def bundled_evaluator(path):
    """The records of a torch.save file in the order of the evaluator's layers: float32, contiguous."""
    widths = (3, 32, 32, 64, 64, 128, 128)
    shapes = {}
    for number in range(1, 7):
        shapes[f"conv{number}.weight"] = (widths[number], widths[number - 1], 3, 3)
        shapes[f"conv{number}.bias"] = (widths[number],)
    shapes.update({"fc.weight": (10, 128), "fc.bias": (10,)})
    with zipfile.ZipFile(path) as archive:
        stem = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
        return {
            name: np.frombuffer(archive.read(f"{stem}data/{record}"), np.float32).reshape(shape)
            for record, (name, shape) in enumerate(shapes.items())
        }


def read_png(path):
    """An RGB picture of 8 bits a channel, not interlaced."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IHDR":
            width, height = struct.unpack(">II", data[at + 8 : at + 16])
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += size + 12
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width).astype(int)
    picture = np.zeros((height, 3 * width), int)
    for y in range(height):
        above = picture[y - 1] if y else np.zeros(3 * width, int)
        for x in range(3 * width):
            left, corner = (picture[y, x - 3], above[x - 3]) if x >= 3 else (0, 0)
            guess = left + above[x] - corner
            paeth = min((left, above[x], corner), key=lambda value: abs(guess - value))
            predicted = (0, left, above[x], (left + above[x]) // 2, paeth)[rows[y, 0]]
            picture[y, x] = (rows[y, 1 + x] + predicted) & 255
    return picture.astype(np.uint8).reshape(height, width, 3)


def write_case(file, name, tensors, pictures):
    results = [evaluate(tensors, picture) for picture in pictures]
    group = file.create_group(name)
    group.create_dataset("images", data=pictures, compression="gzip")
    group["features"] = np.array([features for features, _ in results])
    group["logits"] = np.array([logits for _, logits in results])
    return group


def main():
    random = np.random.default_rng(7)
    tiny = tiny_evaluator(random)
    write_safetensors(HERE / "tiny.safetensors", tiny)
    magnified = read_png(Path(sys.argv[2]))
    tiles = magnified[1:192:3, 1::3].reshape(2, 32, 10, 32, 3).swapaxes(1, 2).reshape(20, 32, 32, 3)
    with h5py.File(HERE / "golden.h5", "w") as file:
        write_case(file, "tiny", tiny, random.integers(0, 256, (5, 9, 6, 3), np.uint8))
        group = write_case(file, "bundled", bundled_evaluator(Path(sys.argv[1])), tiles)
        group["labels"] = np.array(FASHION_MNIST_LABELS, np.int64)
        print(group["logits"][:].argmax(axis=1), FASHION_MNIST_LABELS)


if __name__ == "__main__":
    main()
