"""Kills `kvscope collect` (SIGKILL) again and again, resumes it each time, and compares the capture with that of a run that
was left alone: every dataset has the same bits. Then stops a run as Ctrl-C does.

usage: collect_kill_test.py KVSCOPE
"""

import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

SAMPLES = 12
COLLECT = ["collect", "--samples", str(SAMPLES), "--batch", "1", "--cfg", "1.5", "--images", "--maps", "layers=5,heads=2-3,steps=4-5"]


def datasets(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        attributes = {name: file.attrs[name] for name in ("complete", "samples", "model")}
    return found, attributes


def check_same(a, b):
    (left, left_attributes), (right, right_attributes) = datasets(a), datasets(b)
    assert left.keys() == right.keys(), left.keys() ^ right.keys()
    assert left_attributes == right_attributes
    for name, values in left.items():
        np.testing.assert_array_equal(values, right[name], err_msg=name)
    assert len(left) > 100


def check_partial(kvscope, partial):
    """What a kill leaves is a valid capture of fewer samples."""
    report = subprocess.run([kvscope, "inspect", "--check", partial], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert report.returncode == 0, report.stderr
    with h5py.File(partial) as file:
        return int(file.attrs["samples"])


def kill_until_done(kvscope, output):
    """Returns the numbers of samples that the killed runs left."""
    partial = output.with_name(output.name + ".partial")
    left = []
    delay = 0.3
    while not output.exists():
        process = subprocess.Popen([kvscope, *COLLECT, "--resume", "-o", output], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            assert process.wait(delay) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            if partial.exists():  # else it was killed while the file was laid out
                left.append(check_partial(kvscope, partial))
        delay += 0.17
    return left


def main():
    kvscope = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([kvscope, *COLLECT, "-o", folder / "whole.h5"], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        left = kill_until_done(kvscope, folder / "killed.h5")
        assert left == sorted(left) and left, left
        check_same(folder / "whole.h5", folder / "killed.h5")

        process = subprocess.Popen([kvscope, *COLLECT, "-o", folder / "stopped.h5"], stderr=subprocess.PIPE, text=True)
        while not (folder / "stopped.h5.partial").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        message = process.communicate()[1]
        if process.returncode != 0:  # it may have been through already
            assert process.returncode == 130, (process.returncode, message)
            check_partial(kvscope, folder / "stopped.h5.partial")
        print("samples left by kills:", left)


main()
