#pragma once

#include "tests/benchmarks/race.h"

#include <optional>

namespace kvscope::benchmark {

/// What this machine can do at best at the SIMD level in use, measured now. All threads together.
struct Ceilings {
  double multiply_add = 0.0;  ///< FLOP/s of float32 multiply-adds on registers alone
  /// FLOP/s of bfloat16 dot products (vdpbf16ps), where the processor has them and the level is avx512.
  std::optional<double> bfloat16_dot;
  double exponential = 0.0;  ///< exponentials per second, the kernels' own, on a row in the first-level cache
  double copy = 0.0;         ///< bytes per second read and written by memcpy between buffers of 256 MiB
};

/// @param options  `threads`: how many parallel_for() uses now
[[nodiscard]] Ceilings measure_ceilings(const RaceOptions& options);

}  // namespace kvscope::benchmark
