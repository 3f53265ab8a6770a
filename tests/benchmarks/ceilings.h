#pragma once

#include "tests/benchmarks/race.h"

namespace kvscope::benchmark {

/// What this machine can do at best at the SIMD level in use, measured now. All threads together.
struct Ceilings {
  double multiply_add = 0.0;  ///< FLOP/s of float32 multiply-adds on registers alone
  double exponential = 0.0;   ///< exponentials per second, the kernels' own, on a row in the first-level cache
  double copy = 0.0;          ///< bytes per second read and written by memcpy between buffers of 256 MiB
};

[[nodiscard]] Ceilings measure_ceilings(const RaceOptions& options);

}  // namespace kvscope::benchmark
