"""What a multiprocessor of each architecture has and does.

Limits: "Technical Specifications per Compute Capability" of the CUDA C++ Programming Guide 13.0; evidence_test.py holds
the occupancy that follows against the toolkit's own cuda_occupancy.h.

Rates: the guide's "Throughput of Native Arithmetic Instructions". Tensor cores: the peak of dense bfloat16 products
accumulated in float32 over multiprocessors and clock, from the white papers (A100: 312 TFLOP/s on 108 multiprocessors at
1.41 GHz; A40: 149.7 on 84 at 1.74 GHz; H100 SXM: 989 on 132 at 1.83 GHz; B200: 2250 on 148 at 1.85 GHz; RTX PRO 6000
Blackwell: 504 on 188 at 2.6 GHz).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    name: str
    threads: int  # resident at once
    blocks: int
    shared_bytes: int  # of one multiprocessor, for all its blocks
    shared_bytes_per_block: int  # what one block may ask for
    tensor_flop: int  # per clock: bfloat16 or float16 products, sums in float32
    float_lanes: int  # per clock: lanes of float32 add, multiply, multiply-add
    note: str = ""

    @property
    def warps(self):
        return self.threads // 32


# The same everywhere from sm_80 to sm_120.
REGISTERS = 65536
REGISTER_UNIT = 256  # a warp's registers come in multiples of it
WARP_UNIT = 4  # each of the four parts of a multiprocessor has a quarter of the registers
BLOCK_RESERVE_BYTES = 1024  # shared memory that the system takes of each block
SHARED_UNIT = 128

# Lanes per clock.
SPECIAL_LANES = 16  # ex2, rcp, rsqrt, lg2
INTEGER_LANES = 64  # add, compare, logic, shift; 32-bit multiply
SHARED_BYTES_PER_CLOCK = 128
SHUFFLE_LANES = 32
ISSUE = 4  # instructions of warps

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("sm_80", 2048, 32, 164 * 1024, 163 * 1024, 2048, 64),
        Architecture("sm_86", 1536, 16, 100 * 1024, 99 * 1024, 1024, 128,
                     "GeForce cards sum in float32 at half of this tensor rate."),
        Architecture("sm_90", 2048, 32, 228 * 1024, 227 * 1024, 4096, 128,
                     "The tensor rate is that of wgmma. These kernels use mma.sync, which was measured at some 63 % of it "
                     "(arXiv 2402.13499), so that tensor cores bind earlier than the table says."),
        Architecture("sm_100", 2048, 32, 228 * 1024, 227 * 1024, 8192, 128,
                     "The tensor rate is that of tcgen05, which mma.sync does not reach; what mma.sync does reach is not "
                     "published, so that tensor cores bind earlier than the table says."),
        Architecture("sm_120", 1536, 24, 100 * 1024, 99 * 1024, 1024, 128,
                     "GeForce cards sum in float32 at half of this tensor rate."),
    )
}
