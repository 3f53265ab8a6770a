#pragma once

#include "kernels/cuda/primitives.h"

#include <array>
#include <cstdint>

/// How the tensor cores spread matrices over the lanes of a warp (PTX ISA, ldmatrix and mma.sync m16n8k16).
namespace kvscope::gpu::interpreter {

/// One lane's registers of d += a b: d of 4 floats, a of 4 and b of 2 pairs of 16-bit elements.
struct FragmentsOfLane {
  float* d = nullptr;
  const std::uint32_t* a = nullptr;
  const std::uint32_t* b = nullptr;
};

/// d[16, 8] += a[16, 16] b[16, 8] in float, in ascending k.
void multiply_add_fragments(const std::array<FragmentsOfLane, kWarpThreads>& lanes, bool is_bfloat16);

/// ldmatrix .x4: `rows[i]` are the 8 elements of row i % 8 of matrix i / 8; each lane gets 4 registers.
void distribute_matrices(const std::array<const std::uint16_t*, kWarpThreads>& rows,
                         const std::array<std::uint32_t*, kWarpThreads>& registers, bool is_transposed);

}  // namespace kvscope::gpu::interpreter
