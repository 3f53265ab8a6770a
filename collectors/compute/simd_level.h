#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Instruction sets that this program has kernels for and this processor can run, best first:
/// "avx512bf16" (AVX-512 with dot products of bfloat16), "avx512", "avx2", "sse4", "scalar" on x86-64. The last one
/// always works.
[[nodiscard]] std::vector<std::string> simd_levels();

/// The level in use: the best one, or what the environment variable KVSCOPE_SIMD or force_simd_level()
/// asked for. Kernels of different levels round differently in the last bits; runs that are compared bit
/// by bit need the same level.
/// @throws Error  kUsage if KVSCOPE_SIMD names a level that is not available.
[[nodiscard]] std::string simd_level();

/// Whether the level in use has dot products of bfloat16.
[[nodiscard]] bool has_bfloat16_products();

/// Switches every kernel of the process to `level`; "" goes back to the best. For tests and benchmarks:
/// call it while no kernel runs.
/// @throws Error  kUsage listing the available levels if it is not one of them.
void force_simd_level(std::string_view level);

/// Makes KVSCOPE_SIMD take effect; cheap after the first call. Every dispatching kernel calls it first.
void apply_simd_environment();

}  // namespace kvscope
