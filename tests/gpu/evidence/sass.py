"""Loops in what nvdisasm prints, and what their instructions cost."""

import re
from collections import Counter
from dataclasses import dataclass, field

from evidence import architectures

_FUNCTION = re.compile(r"^\.text\.(\w+):")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]+)\*/\s+(?:(@!?U?P[T0-9]+)\s+)?([A-Z][A-Z0-9_.]*)\b\s*(.*?)\s*;")
_TARGET = re.compile(r"`\((\.L_x_\d+)\)")
_MMA = re.compile(r"HMMA\.(\d+)\.F32|HMMA\.(\d+)\.F16")

_SHARED = {"LDS", "LDSM", "STS", "STSM", "LDGSTS", "ATOMS"}
_GLOBAL = {"LDG", "STG", "LD", "ST", "ATOM", "ATOMG", "RED", "REDG"}
_LOCAL = {"LDL", "STL"}
_FLOAT = {"FADD", "FMUL", "FFMA", "FADD2", "FMUL2", "FFMA2", "HFMA2", "HADD2", "HMUL2", "FSWZADD"}
_CONTROL = {"BRA", "BRX", "BAR", "BSSY", "BSYNC", "BREAK", "EXIT", "NOP", "DEPBAR", "LDGDEPBAR", "WARPSYNC", "CALL", "RET",
            "MEMBAR", "ERRBAR", "CCTL", "YIELD", "ENDCOLLECTIVE", "ACQBULK", "PREEXIT"}
_UNIFORM = {"R2UR", "S2UR", "UMOV"}


@dataclass(frozen=True)
class Instruction:
    address: int
    opcode: str  # with its modifiers
    operands: str
    target: str = ""  # the label a branch names
    never: bool = False  # predicated off for good: it takes an issue slot, no unit

    @property
    def base(self):
        return self.opcode.split(".")[0]


@dataclass
class Function:
    symbol: str
    instructions: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)  # label: address of the instruction after it


def parse(text):
    """Functions by symbol."""
    functions = {}
    function = None
    pending = []
    for line in text.splitlines():
        found = _FUNCTION.match(line)
        if found:
            function = functions.setdefault(found[1], Function(found[1]))
            continue
        if line.startswith("//-----"):
            function = None
        if function is None:
            continue
        found = _LABEL.match(line)
        if found:
            pending.append(found[1])
            continue
        found = _INSTRUCTION.match(line)
        if not found:
            continue
        address = int(found[1], 16)
        for label in pending:
            function.labels[label] = address
        pending.clear()
        target = _TARGET.search(found[4])
        function.instructions.append(
            Instruction(address, found[3], found[4], target[1] if target else "", found[2] == "@!PT"))
    return functions


def unit(instruction):
    """tensor, special, shared, shuffle, global, local, float, multiply, integer, uniform or control."""
    base = instruction.base
    if base in ("HMMA", "IMMA", "DMMA", "QMMA", "OMMA"):
        return "tensor"
    if base == "MUFU":
        return "special"
    if base in _SHARED:
        return "shared"
    if base == "SHFL":
        return "shuffle"
    if base in _GLOBAL:
        return "global"
    if base in _LOCAL:
        return "local"
    if base in _FLOAT:
        return "float"
    if base == "IMAD":
        return "multiply"
    if base in _CONTROL:
        return "control"
    if base in _UNIFORM or (base.startswith("U") and base != "UNPACK"):
        return "uniform"
    return "integer"


def shared_bytes(instruction):
    """Of a whole warp, without bank conflicts."""
    if instruction.base in ("LDSM", "STSM"):
        return 128 * int(instruction.opcode.rsplit(".", 1)[1])
    width = re.search(r"\.(128|64)\b", instruction.opcode)
    return 32 * (int(width[1]) // 8 if width else 4)


def tensor_flop(instruction):
    """HMMA.16816 is m16n8k16."""
    shape = {"16816": (16, 8, 16), "1688": (16, 8, 8), "884": (8, 8, 4)}
    digits = instruction.opcode.split(".")[1]
    if digits not in shape:
        raise ValueError(f"unknown shape of a tensor-core instruction: {instruction.opcode}")
    m, n, k = shape[digits]
    return 2 * m * n * k


def loops(function):
    """(first, last) indices of instructions between a label and a branch back to it, without repetitions."""
    index = {instruction.address: i for i, instruction in enumerate(function.instructions)}
    found = set()
    for i, instruction in enumerate(function.instructions):
        if instruction.base != "BRA" or instruction.target not in function.labels:
            continue
        first = index.get(function.labels[instruction.target])
        if first is not None and first < i:  # a branch to itself ends the code
            found.add((first, i))
    # Several branches back to one label are one loop: up to the last of them.
    last = {}
    for first, end in found:
        last[first] = max(end, last.get(first, end))
    return sorted(last.items())


# What a kernel is about, first what most kernels are about: a loop is measured by the first kind that its function has.
_WORK = (("tensor",), ("float",), ("special", "shared", "global", "integer", "multiply"))


def main_loop(function):
    """The instructions of the innermost loop with most tensor-core instructions, or, in kernels without any, with most
    float arithmetic, or, without that, with most other work. Empty without loops."""
    bodies = [function.instructions[first:last + 1] for first, last in loops(function)]
    kinds = next((kinds for kinds in _WORK if any(unit(instruction) in kinds for body in bodies for instruction in body)), ())

    def work(span):
        return sum(1 for instruction in function.instructions[span[0]:span[1] + 1]
                   if unit(instruction) in kinds and not instruction.never)

    spans = [(span, work(span)) for span in loops(function)]
    spans = [(span, amount) for span, amount in spans if amount > 0]

    def has_working_part(span):
        return any(other != span and span[0] <= other[0] and other[1] <= span[1] for other, _ in spans)

    inner = [(amount, span) for span, amount in spans if not has_working_part(span)]
    if not inner:
        return []
    _, span = max(inner, key=lambda entry: (entry[0], -entry[1][0]))
    return function.instructions[span[0]:span[1] + 1]


@dataclass
class Mix:
    """One iteration of a loop, of one warp."""
    counts: Counter  # instructions by unit
    exponentials: int  # of the special-function instructions
    cycles: dict  # by unit: clocks of the whole multiprocessor's unit

    @property
    def limiter(self):
        return max(self.cycles, key=self.cycles.get)

    @property
    def bound(self):
        return self.cycles[self.limiter]

    @property
    def tensor_share(self):
        """What the bound leaves of the tensor cores' peak."""
        return self.cycles["tensor"] / self.bound if self.bound else 0.0


def mix(instructions, architecture):
    counts = Counter(unit(instruction) for instruction in instructions if not instruction.never)
    executed = [instruction for instruction in instructions if not instruction.never]
    flop = sum(tensor_flop(instruction) for instruction in executed if unit(instruction) == "tensor")
    data = sum(shared_bytes(instruction) for instruction in executed if unit(instruction) == "shared")
    # FFMA2 and its like compute two floats a lane.
    floats = sum(2 if instruction.base.endswith("2") and instruction.base.startswith("F") else 1
                 for instruction in executed if unit(instruction) == "float")
    cycles = {
        "tensor": flop / architecture.tensor_flop,
        "special": counts["special"] * 32 / architectures.SPECIAL_LANES,
        # Shuffles go through the same crossbar.
        "shared": data / architectures.SHARED_BYTES_PER_CLOCK + counts["shuffle"] * 32 / architectures.SHUFFLE_LANES,
        # Integer multiplications share the float units, of which they can use 64 lanes.
        "float": max((floats + counts["multiply"]) * 32 / architecture.float_lanes,
                     counts["multiply"] * 32 / architectures.INTEGER_LANES),
        "integer": counts["integer"] * 32 / architectures.INTEGER_LANES,
        "issue": len(instructions) / architectures.ISSUE,
    }
    exponentials = sum(1 for instruction in executed if instruction.opcode.startswith("MUFU.EX2"))
    return Mix(counts, exponentials, cycles)
