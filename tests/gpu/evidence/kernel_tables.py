"""The tables of docs/gpu_kernels.md, and what can be checked of them without compiling for every architecture."""

import re
from dataclasses import dataclass

from evidence import occupancy, sass
from evidence.architectures import ARCHITECTURES


@dataclass
class LaunchShape:
    """How host code starts a kernel: the largest of the shapes it asked for."""
    threads: int
    shared_bytes: int  # dynamic
    problem: str


@dataclass
class KernelEvidence:
    name: str
    resources: object  # ptxas_report.KernelResources
    shape: LaunchShape | None = None
    loop: sass.Mix | None = None

    def resident_blocks(self):
        if self.shape is None:
            return None
        return occupancy.resident_blocks(ARCHITECTURES[self.resources.architecture], self.shape.threads,
                                         self.resources.registers,
                                         self.resources.shared_bytes + self.shape.shared_bytes)


def kernel_name(demangled):
    """`RaggedAttentionKernel<BFloat16, 64>` of what c++filt makes of run_kernel's symbol."""
    text = demangled
    head = "run_kernel<"
    if head in text:
        start = text.index(head) + len(head)
        depth = 1
        end = start
        while depth > 0:
            depth += {"<": 1, ">": -1}.get(text[end], 0)
            end += 1
        text = text[start:end - 1]
    text = re.sub(r"\b(kvscope|gpu|\(anonymous namespace\))::", "", text)
    text = re.sub(r"\((?:unsigned )?(?:int|long|bool)\)", "", text)
    return text.replace(" >", ">").strip()


def _row(cells):
    return "| " + " | ".join(cells) + " |\n"


def _header(columns):
    return _row(columns) + "|" + "---|" * len(columns) + "\n"


_RESOURCE_COLUMNS = ["kernel", "threads", "registers", "spilled bytes", "shared bytes, static + dynamic", "blocks per SM",
                     "occupancy"]
_LOOP_COLUMNS = ["kernel", "tensor", "ex2", "shared", "shuffle", "global", "float + int multiply", "integer", "all",
                 "clocks: tensor / special / shared / float / integer / issue", "bound", "tensor peak left"]


def resource_row(kernel):
    resources = kernel.resources
    threads = shared = blocks = share = "-"
    shared = str(resources.shared_bytes)
    if kernel.shape is not None:
        threads = str(kernel.shape.threads)
        shared = f"{resources.shared_bytes} + {kernel.shape.shared_bytes}"
        count = kernel.resident_blocks()
        blocks = str(count)
        architecture = ARCHITECTURES[resources.architecture]
        share = f"{100 * count * kernel.shape.threads // architecture.threads} %"
    spilled = str(resources.spill_store_bytes + resources.spill_load_bytes)
    if resources.spills and kernel.loop is not None:
        spilled += f", {kernel.loop.counts['local'] or 'no'} instructions of it in the main loop"
    return _row([f"`{kernel.name}`", threads, str(resources.registers), spilled, shared, blocks, share])


def loop_row(kernel):
    mix = kernel.loop
    counts = mix.counts
    order = ("tensor", "special", "shared", "float", "integer", "issue")
    clocks = " / ".join(f"{mix.cycles[unit]:.3g}" for unit in order)
    left = f"{100 * mix.tensor_share:.0f} %" if counts["tensor"] else "-"
    return _row([f"`{kernel.name}`", *(str(counts[unit]) for unit in ("tensor",)), str(mix.exponentials),
                 str(counts["shared"]), str(counts["shuffle"]), str(counts["global"]),
                 str(counts["float"] + counts["multiply"]), str(counts["integer"]), str(sum(counts.values())), clocks,
                 f"{mix.limiter}, {mix.bound:.3g}", left])


def architecture_section(name, kernels):
    architecture = ARCHITECTURES[name]
    text = f"## {name}\n\n"
    text += (f"Per multiprocessor: {architecture.threads} threads, {architecture.blocks} blocks, 65536 registers, "
             f"{architecture.shared_bytes // 1024} KiB shared ({architecture.shared_bytes_per_block // 1024} a block); per clock "
             f"{architecture.tensor_flop} FLOP of tensor cores, {architecture.float_lanes} float, 64 integer, 16 "
             f"special-function lanes, 128 bytes of shared memory, 4 instructions.")
    text += f" {architecture.note}\n\n" if architecture.note else "\n\n"
    text += _header(_RESOURCE_COLUMNS) + "".join(resource_row(kernel) for kernel in kernels) + "\n"
    with_loops = [kernel for kernel in kernels if kernel.loop is not None]
    if with_loops:
        text += "Main loops, one iteration of one warp:\n\n"
        text += _header(_LOOP_COLUMNS) + "".join(loop_row(kernel) for kernel in with_loops) + "\n"
    return text


_INTRODUCTION = """# What the compiler makes of the GPU kernels

Made by `./dev kernels --write`; do not edit. Nothing here was timed: registers, spills and shared memory are what ptxas
reports, instructions are counted in the machine code (nvdisasm), and the rest is arithmetic on published limits and rates
(`tests/gpu/evidence/architectures.py` names them).

- *Occupancy* is resident threads over the most that fit, for the dynamic shared memory of the launch shape in the list
  at the end. A persistent kernel that is bound by tensor cores wants registers more than occupancy.
- The *main loop* is the innermost loop with most tensor-core instructions, or, where there are none, with most float
  arithmetic, or, where there is none either, with most other work.
- *Clocks* are those for which one iteration of one warp keeps a unit of the whole multiprocessor busy, without bank
  conflicts: instructions x lanes / lanes per clock, FLOP / FLOP per clock, bytes / bytes per clock. The largest is the
  *bound*: no warp's iteration can take fewer on average. *Tensor peak left* is the share of the tensor cores' peak
  that this bound still allows. Latencies, barriers and caches come on top of it.
- The test `gpu.spills` fails if a kernel starts to spill on sm_80 or sm_90; what spills elsewhere shows in the tables.

"""


def document(kernels, compiler, disassembler):
    """The whole of docs/gpu_kernels.md. `kernels`: by architecture."""
    text = _INTRODUCTION + f"Compiler: nvcc {compiler}; disassembler: nvdisasm {disassembler}.\n\n"
    for name, of_architecture in kernels.items():
        text += architecture_section(name, of_architecture)
    shapes = {}
    for of_architecture in kernels.values():
        for kernel in of_architecture:
            if kernel.shape is not None:
                shapes[kernel.name] = kernel.shape
    text += "## Launch shapes\n\n" + _header(["kernel", "threads", "dynamic shared bytes", "problem"])
    for name in sorted(shapes):
        shape = shapes[name]
        text += _row([f"`{name}`", str(shape.threads), str(shape.shared_bytes), shape.problem])
    return text


def documented_kernels(text):
    """Names of the kernels in each architecture's table of resources."""
    found = {}
    name = None
    in_resources = False
    for line in text.splitlines():
        if line.startswith("## "):
            name = line.removeprefix("## ").strip()
            if name in ARCHITECTURES:
                found[name] = []
            in_resources = False
        elif line.startswith("| kernel |"):
            in_resources = "registers" in line
        elif not line.startswith("|"):
            in_resources = False
        elif in_resources and line.startswith("| `"):
            found[name].append(line.split("`")[1])
    return found


def differences(text, kernels):
    """How a document differs from the kernels that were compiled (by architecture: names), a line each."""
    found = documented_kernels(text)
    lines = []
    for name in ARCHITECTURES:
        if name not in found:
            lines.append(f"there is no table of {name}")
    for name, names in kernels.items():
        documented = set(found.get(name, []))
        lines += [f"{name}: {kernel} is not in the document" for kernel in sorted(set(names) - documented)]
        lines += [f"{name}: there is no kernel {kernel} any more" for kernel in sorted(documented - set(names))]
    return lines
