"""Compiles the CUDA sources of a configured build for one architecture each, and keeps what has not changed."""

import json
import pathlib
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


class CompileError(Exception):
    pass


@dataclass
class Cubin:
    source: pathlib.Path
    architecture: str
    path: pathlib.Path
    report: str  # of ptxas -v


@dataclass
class CudaSource:
    path: pathlib.Path
    nvcc: str
    flags: list  # without architecture, output and object-only words


def cuda_sources(compile_commands, root):
    """The .cu files of the build outside tests/, with the flags that it compiles them with."""
    sources = []
    for entry in json.loads(pathlib.Path(compile_commands).read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix != ".cu" or path.resolve().is_relative_to(root / "tests"):
            continue
        words = shlex.split(entry["command"])
        while pathlib.Path(words[0]).name in ("ccache", "sccache"):
            words = words[1:]
        flags = [word for word in words[1:]
                 if re.match(r"-(D|I|isystem|std|O|forward-unknown|-expt|-extended|Xptxas|maxrregcount|use_fast_math)", word)]
        sources.append(CudaSource(path, words[0], flags))
    return sources


def _is_current(cubin, dependencies, command_file, command):
    if not (cubin.exists() and dependencies.exists() and command_file.exists()):
        return False
    if command_file.read_text() != command:
        return False
    text = dependencies.read_text().split(":", 1)[1].replace("\\\n", " ")
    made = cubin.stat().st_mtime
    return all(pathlib.Path(name).exists() and pathlib.Path(name).stat().st_mtime <= made for name in text.split())


def compile_one(source, architecture, folder, extra_flags=()):
    number = architecture.removeprefix("sm_")
    stem = folder / f"{source.path.stem}.{architecture}"
    cubin, dependencies, report, command_file = (stem.with_name(stem.name + suffix)
                                                 for suffix in (".cubin", ".d", ".ptxas", ".command"))
    words = [source.nvcc, *source.flags, *extra_flags, f"-gencode=arch=compute_{number},code=sm_{number}", "-cubin",
             "-Xptxas=-v", "-MD", "-MF", str(dependencies), "-o", str(cubin), str(source.path)]
    command = shlex.join(words)
    if not _is_current(cubin, dependencies, command_file, command):
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise CompileError(f"{source.path.name} for {architecture}: {done.stderr.strip() or done.stdout.strip()}")
        report.write_text(done.stderr + done.stdout)
        command_file.write_text(command)
    return Cubin(source.path, architecture, cubin, report.read_text())


def compile_all(sources, names, folder, jobs, extra_flags=()):
    """Cubins by architecture, in the order of the sources."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(compile_one, source, name, folder, extra_flags) for name in names for source in sources]
        cubins = [future.result() for future in futures]
    return cubins
