#!/usr/bin/env python3
"""Lists the tensors of a torch.save file with nothing but Python's standard library.

usage: list_tensors.py FILE.pth > list.txt

One line a tensor, in the order of the file: name, element type, shape, SHA-256 of its elements in row-major order.
The lists beside this script are what kvscope's reader is compared with.
"""
import collections
import hashlib
import itertools
import pickle
import sys
import zipfile

TYPES = {"DoubleStorage": ("float64", 8), "FloatStorage": ("float32", 4), "HalfStorage": ("float16", 2),
         "BFloat16Storage": ("bfloat16", 2), "LongStorage": ("int64", 8), "IntStorage": ("int32", 4),
         "BoolStorage": ("bool", 1)}


def row_major(data, size, offset, shape, strides):
    pieces = []
    for index in itertools.product(*(range(extent) for extent in shape)):
        at = (offset + sum(i * stride for i, stride in zip(index, strides))) * size
        pieces.append(data[at:at + size])
    return b"".join(pieces)


class Reader(pickle.Unpickler):
    def __init__(self, archive):
        self.archive = archive
        self.stem = next(name for name in archive.namelist() if name.endswith("/data.pkl"))[:-len("data.pkl")]
        super().__init__(archive.open(self.stem + "data.pkl"))

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *rest: (*storage, offset, shape, strides)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *rest: tensor
        return TYPES[name]

    def persistent_load(self, identity):
        _, (name, size), key, _, _ = identity
        return name, size, self.archive.read(f"{self.stem}data/{key}")


with zipfile.ZipFile(sys.argv[1]) as archive:
    for name, (kind, size, data, offset, shape, strides) in Reader(archive).load().items():
        digest = hashlib.sha256(row_major(data, size, offset, shape, strides)).hexdigest()
        print(name, kind, ",".join(map(str, shape)), digest)
