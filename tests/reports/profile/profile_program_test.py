"""Runs `kvscope profile` as a user would: its files are read by Python's gzip, json and h5py, and a signal ends it
early without losing what was done. Usage: profile_program_test.py KVSCOPE [NVTX_LISTENER]"""

import gzip
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import h5py

PROGRAM = sys.argv[1]
LISTENER = sys.argv[2] if len(sys.argv) > 2 else None


def profile(folder, *words):
    return subprocess.run([PROGRAM, "profile", *words], cwd=folder, capture_output=True, text=True, check=False)


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def check_nesting(events):
    """Ranges of a thread lie inside the range around them."""
    stacks = {}
    for event in sorted((e for e in events if e["ph"] == "X"), key=lambda e: (e["ts"], -e["dur"])):
        stack = stacks.setdefault((event["pid"], event["tid"]), [])
        start, end = round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)
        while stack and stack[-1] <= start:
            stack.pop()
        check(not stack or end <= stack[-1], f"{event} ends after the range around it")
        stack.append(end)


def check_files(folder):
    done = profile(folder, "--labels", "0-3", "--batch", "2", "-o", "trace.json.gz", "-o", "profile.h5", "--csv", "csv",
                   "--overhead")
    check(done.returncode == 0, done.stderr)
    check(done.stdout.count("no GPU records") == 1, "one line on the clock")
    check("recording costs" in done.stdout, "the overhead is printed")
    with gzip.open(folder / "trace.json.gz") as file:
        trace = json.load(file)
    events = trace["traceEvents"]
    check_nesting(events)
    names = {event["name"] for event in events}
    for name in ("attention step 5 layer 5", "step 0", "KV cache", "process_name", "feed_forward step 2 layer 1 sample 3 branch 1"):
        check(name in names, f"no event {name}")
    with h5py.File(folder / "profile.h5") as file:
        check(file.attrs["format"] in ("kvscope-profile", b"kvscope-profile"), "format")
        ranges = file["ranges"]
        check(len(ranges["start"]) == sum(event["ph"] == "X" for event in events), "ranges in both files")
        check((ranges["end"][:] >= ranges["start"][:]).all(), "ends before starts")
        check(set(ranges["sample"][:]) == {-1, 0, 1, 2, 3}, "samples")
        check(list(file["passes/first_sample"][:]) == [0, 2], "passes")
        check(file["heads/seconds"].shape == (6, 6, 6), "heads")
    check({"phases.csv", "scales.csv", "layers.csv", "heads.csv"} <= {f.name for f in (folder / "csv").iterdir()}, "csv")


def check_interrupt(folder):
    words = [PROGRAM, "profile", "--samples", "100000", "-o", "part.json.gz", "-o", "part.h5", "--json"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        time.sleep(2.5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=120)
    check(run.returncode == 130, f"status {run.returncode}: {err}")
    document = json.loads(out)
    check(document["interrupted"], "says that it was interrupted")
    with gzip.open(folder / "part.json.gz") as file:
        check_nesting(json.load(file)["traceEvents"])
    with h5py.File(folder / "part.h5") as file:
        check(len(file["passes/complete"]) >= 1, "passes so far")
    check(not [f for f in os.listdir(folder) if f.endswith(".partial")], "no partial files are left")


def check_nvtx(folder):
    """A tool that NVTX loads is shown the same ranges as the trace holds."""
    log = folder / "nvtx.txt"
    environment = {**os.environ, "NVTX_INJECTION64_PATH": LISTENER, "NVTX_LISTENER_OUTPUT": str(log)}
    words = [PROGRAM, "profile", "--labels", "1", "--threads", "1", "--warm-up", "0", "-o", "nvtx.json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    check(done.returncode == 0, done.stderr)
    with open(folder / "nvtx.json", encoding="utf-8") as file:
        ranges = [event["name"] for event in json.load(file)["traceEvents"] if event["ph"] == "X"]
    lines = log.read_text().splitlines()
    check([line[5:] for line in lines if line.startswith("push ")] == ranges, "NVTX is shown the ranges in their order")
    check(lines.count("pop") == len(ranges), "every range is popped")


with tempfile.TemporaryDirectory() as name:
    if LISTENER:
        check_nvtx(pathlib.Path(name))
    check_files(pathlib.Path(name))
    check_interrupt(pathlib.Path(name))
