"""How many blocks of a kernel a multiprocessor holds at once."""

from evidence.architectures import (BLOCK_RESERVE_BYTES, REGISTER_UNIT, REGISTERS, SHARED_UNIT, WARP_UNIT)


def round_up(value, unit):
    return -(-value // unit) * unit


def resident_blocks(architecture, threads, registers, shared_bytes):
    """0 if not even one fits."""
    if shared_bytes > architecture.shared_bytes_per_block or threads > 1024:
        return 0
    warps = round_up(threads, 32) // 32
    by_warps = architecture.warps // warps
    # A part of the multiprocessor holds so many warps of these registers; a block takes its warps in fours.
    part_registers = REGISTERS // WARP_UNIT
    warp_registers = round_up(registers * 32, REGISTER_UNIT)
    resident_warps = part_registers // warp_registers * WARP_UNIT
    by_registers = resident_warps // warps
    by_shared = architecture.shared_bytes // round_up(shared_bytes + BLOCK_RESERVE_BYTES, SHARED_UNIT)
    return min(architecture.blocks, by_warps, by_registers, by_shared)
