#pragma once

#include "tests/benchmarks/gpu/benchmark_gpu.h"

namespace kvscope::benchmark {

/// What this GPU does at best, measured in the same run.
struct GpuCeilings {
  double bfloat16_product = 0.0;  ///< FLOP/s of a bfloat16 matrix product (LibTorch's), 8192 cubed
  double float32_product = 0.0;   ///< FLOP/s of one in float32 without TF32, 4096 cubed
  double exponential = 0.0;       ///< ex2 per second, on registers
  double copy = 0.0;              ///< bytes per second read and written by a copy of 1 GiB
};

[[nodiscard]] GpuCeilings measure_gpu_ceilings(const BenchmarkGpu& card, const RaceOptions& options);

}  // namespace kvscope::benchmark
