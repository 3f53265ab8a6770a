#!/usr/bin/env python3
"""What can be known of the GPU kernels without a GPU: registers, spills, shared memory, occupancy, and what bounds their
main loops. docs/gpu_kernels.md explains the numbers. Exit status: 0 done, 1 a kernel spills or the document is out of
date, 2 usage, 4 no compiler or a source that does not compile."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

from evidence import compile_kernels, kernel_tables, ptxas_report, sass
from evidence.architectures import ARCHITECTURES

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile-commands", required=True, type=pathlib.Path,
                        help="compile_commands.json of a configured build with CUDA")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="where cubins are kept from run to run")
    parser.add_argument("--source", action="append", type=pathlib.Path, default=[],
                        help="compile this .cu with the flags of the first one instead of the build's (repeatable)")
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time (default: 2)")
    parser.add_argument("--nvdisasm", type=pathlib.Path, help="disassembler; without it main loops are left out")
    parser.add_argument("--shapes", type=pathlib.Path,
                        help="the program kvscope_kernel_shapes; without it dynamic shared memory and occupancy are left out")
    parser.add_argument("--spills", action="store_true", help="print spilling kernels only; exit 1 if there are any")
    parser.add_argument("--check", type=pathlib.Path, metavar="DOCUMENT",
                        help="exit 1 unless the document lists exactly the kernels that are there")
    parser.add_argument("--write", type=pathlib.Path, metavar="DOCUMENT", help="write the document instead of printing it")
    return parser.parse_args()


def demangled(symbols):
    if not symbols:
        return {}
    done = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True, text=True, check=True)
    return dict(zip(symbols, done.stdout.splitlines()))


def launch_shapes(program):
    """By the kernel's name, the shape with most shared memory."""
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    shapes = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        name = kernel_tables.kernel_name(entry["kernel"])
        shape = kernel_tables.LaunchShape(entry["threads"], entry["shared_bytes"], entry["problem"])
        if name not in shapes or shapes[name].shared_bytes < shape.shared_bytes:
            shapes[name] = shape
    return shapes


def version(program):
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V([\d.]+)", text)[1]


def main_loops(cubins, nvdisasm):
    """By architecture and symbol."""
    loops = {}
    for cubin in cubins:
        done = subprocess.run([nvdisasm, "-c", cubin.path], capture_output=True, text=True, check=True)
        for symbol, function in sass.parse(done.stdout).items():
            loop = sass.main_loop(function)
            if loop:
                loops[cubin.architecture, symbol] = sass.mix(loop, ARCHITECTURES[cubin.architecture])
    return loops


def kernels_of(cubins, architectures, shapes, loops):
    """KernelEvidence by architecture, sorted by name."""
    resources = [entry for cubin in cubins for entry in ptxas_report.parse(cubin.report)]
    names = demangled(sorted({entry.symbol for entry in resources}))
    found = {name: [] for name in architectures}
    seen = set()
    for entry in resources:
        # A template that several sources instantiate is one kernel.
        if (entry.architecture, entry.symbol) in seen:
            continue
        seen.add((entry.architecture, entry.symbol))
        name = kernel_tables.kernel_name(names[entry.symbol])
        found[entry.architecture].append(
            kernel_tables.KernelEvidence(name, entry, shapes.get(name), loops.get((entry.architecture, entry.symbol))))
    for kernels in found.values():
        kernels.sort(key=lambda kernel: kernel.name)
    return found


def report_spills(kernels):
    spilling = [kernel for of_architecture in kernels.values() for kernel in of_architecture if kernel.resources.spills]
    for kernel in spilling:
        resources = kernel.resources
        print(f"{resources.architecture}: {kernel.name} spills {resources.spill_store_bytes} bytes of stores and "
              f"{resources.spill_load_bytes} of loads ({resources.registers} registers)")
    count = sum(len(of_architecture) for of_architecture in kernels.values())
    if not spilling:
        print(f"{count} kernels on {', '.join(kernels)}: none spills")
    return 1 if spilling else 0


def check_document(path, kernels):
    lines = kernel_tables.differences(path.read_text() if path.exists() else "",
                                      {name: [kernel.name for kernel in entries] for name, entries in kernels.items()})
    for line in lines:
        print(f"{path.name}: {line}")
    if lines:
        print("./dev kernels --write makes it anew")
    return 1 if lines else 0


def main():
    asked = arguments()
    names = asked.architectures.split(",")
    unknown = [name for name in names if name not in ARCHITECTURES]
    if unknown:
        print(f"static_evidence: unknown architecture {unknown[0]}, expected some of {', '.join(ARCHITECTURES)}",
              file=sys.stderr)
        return 2
    try:
        sources = compile_kernels.cuda_sources(asked.compile_commands, ROOT)
        if not sources:
            raise compile_kernels.CompileError(f"{asked.compile_commands} names no CUDA source: was nvcc there?")
        if asked.source:
            sources = [compile_kernels.CudaSource(path.resolve(), sources[0].nvcc, sources[0].flags)
                       for path in asked.source]
        cubins = compile_kernels.compile_all(sources, names, asked.folder, asked.jobs)
    except (OSError, compile_kernels.CompileError) as error:
        print(f"static_evidence: {error}", file=sys.stderr)
        return 4
    shapes = launch_shapes(asked.shapes) if asked.shapes else {}
    only_resources = asked.spills or asked.check
    loops = main_loops(cubins, asked.nvdisasm) if asked.nvdisasm and not only_resources else {}
    kernels = kernels_of(cubins, names, shapes, loops)
    status = 0
    if asked.spills:
        status = report_spills(kernels)
    if asked.check:
        status = max(status, check_document(asked.check, kernels))
    if only_resources:
        return status
    text = kernel_tables.document(kernels, version(sources[0].nvcc),
                                  version(asked.nvdisasm) if asked.nvdisasm else "not there")
    if asked.write:
        asked.write.write_text(text)
    else:
        print(text, end="")
    return report_spills(kernels) if any(kernel.resources.spills for entries in kernels.values()
                                         for kernel in entries) else 0


if __name__ == "__main__":
    sys.exit(main())
