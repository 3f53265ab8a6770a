#!/usr/bin/env python3
"""Writes seeds of the fuzzers beside this script: tiny files in the formats of torch.save and safetensors, indices of
shards, and a plan.

usage: make_corpus.py

Python's own pickler makes the pickles, so that the seeds hold the opcodes of every protocol as PyTorch writes them.
Checksums are left out (0), or nothing a fuzzer changes would ever get past them.
"""
import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import types

torch = types.ModuleType("torch")
utils = types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})


def _rebuild_tensor_v2(*arguments):
    pass


def _rebuild_parameter(*arguments):
    pass


for function in (_rebuild_tensor_v2, _rebuild_parameter):
    function.__module__ = "torch._utils"
    setattr(utils, function.__name__, function)
for name in ("DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "BoolStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch"}))


class Storage:
    def __init__(self, kind, key, elements):
        self.identity = ("storage", getattr(torch, kind), key, "cpu", elements)


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return _rebuild_parameter, (self.tensor, True, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.identity if isinstance(value, Storage) else None


def pickled(value, protocol):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


def zipped(records, zip64=False):
    files = directory = b""
    for name, content in records:
        name = name.encode()
        size, offset = len(content), len(files)
        extra = struct.pack("<HHQQQ", 1, 24, size, size, offset) if zip64 else b""
        stated = (0xFFFFFFFF,) * 3 if zip64 else (size, size, offset)
        directory += struct.pack("<IHHHHIIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, stated[0], stated[1], len(name),
                                 len(extra), 0, 0, 0, 0, stated[2]) + name + extra
        files += struct.pack("<IHHHIIIIHH", 0x04034B50, 45, 0, 0, 0, 0, size, size, len(name), 0) + name + content
    end = b""
    if zip64:
        end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, len(records), len(records), len(directory), len(files))
        end += struct.pack("<IIQI", 0x07064B50, 0, len(files) + len(directory), 1)
    end += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(records), len(records), len(directory), len(files), 0)
    return files + directory + end


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


shared = Storage("FloatStorage", "0", 6)
state = collections.OrderedDict(
    a=Tensor(shared, 0, (2, 3), (3, 1)), b=Parameter(Tensor(shared, 1, (2, 2), (1, 2))),
    c=Tensor(Storage("LongStorage", "1", 1), 0, (), ()))
training = {"epoch": 3, "rate": 0.5, "big": 1 << 70, "none": None, "flags": (True, False), "trainer": {"model": state, 1: [state["a"]]}}
storages = [("m/data/0", bytes(24)), ("m/data/1", bytes(8)), ("m/byteorder", b"little"), ("m/version", b"3\n")]

here = pathlib.Path(__file__).parent / "corpus"
files = {"fuzz_unpickler/protocol%d" % protocol: pickled(training, protocol) for protocol in (2, 3, 4, 5)}
files["fuzz_unpickler/flat"] = pickled(state, 2)
files["fuzz_torch_file/flat.pth"] = zipped([("m/data.pkl", pickled(state, 2))] + storages)
files["fuzz_torch_file/zip64.pth"] = zipped([("m/data.pkl", pickled(training, 4))] + storages, zip64=True)
files["fuzz_safetensors/two.safetensors"] = safetensors(
    {"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
     "b": {"dtype": "BF16", "shape": [3], "data_offsets": [8, 14]}}, bytes(14))
files["fuzz_safetensors/empty.safetensors"] = safetensors({"n": {"dtype": "I64", "shape": [0, 4], "data_offsets": [0, 0]}}, b"")
files["fuzz_checkpoint_index/torch.json"] = json.dumps(
    {"metadata": {"total_size": 96}, "weight_map": {"pos_start": "pytorch_model-00001-of-00002.bin",
                                                    "head.bias": "pytorch_model-00002-of-00002.bin"}}, indent=2).encode()
files["fuzz_checkpoint_index/escape.json"] = b'{"weight_map":{"a":"../model.safetensors","b":"\\u00e9.bin"}}'
# A plan with a head of 8-bit elements, from the one of another seed.
plan = json.loads((here / "fuzz_plan/hack.json").read_text())
plan["model"]["head_dim"] = 2
plan["heads"][1]["elements"] = "int8"
plan["heads"][1]["quantisation"] = {"key": {"scale": [0.02, 0.01], "offset": [0.5, -1.25]},
                                    "value": {"scale": [0.125, 3e-3], "offset": [0, 1]}}
files["fuzz_plan/int8.json"] = json.dumps(plan, separators=(",", ":")).encode()
for name, content in files.items():
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    (here / name).write_bytes(content)
