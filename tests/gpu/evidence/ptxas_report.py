"""What `nvcc -Xptxas -v` says about kernels."""

import re
from dataclasses import dataclass

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\d+)[a-z]?'")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


@dataclass
class KernelResources:
    symbol: str
    architecture: str
    registers: int = 0
    stack_bytes: int = 0
    spill_store_bytes: int = 0
    spill_load_bytes: int = 0
    shared_bytes: int = 0  # static

    @property
    def spills(self):
        return self.spill_store_bytes + self.spill_load_bytes > 0


def parse(text):
    """The kernels of ptxas' output, in its order."""
    kernels = []
    # Functions that were not inlined have properties too: their spills are their callers'.
    entry = None
    for line in text.splitlines():
        found = _ENTRY.search(line)
        if found:
            entry = KernelResources(found[1], found[2])
            kernels.append(entry)
        if entry is None:
            continue
        found = _SPILLS.search(line)
        if found:
            entry.stack_bytes += int(found[1])
            entry.spill_store_bytes += int(found[2])
            entry.spill_load_bytes += int(found[3])
        found = _REGISTERS.search(line)
        if found:
            entry.registers = int(found[1])
            shared = _SHARED.search(line)
            entry.shared_bytes = int(shared[1]) if shared else 0
    return kernels
