#include "tests/benchmarks/benchmarks.h"

#include <array>

namespace kvscope::benchmark {

std::span<const Benchmark> benchmarks() {
  static constexpr std::array kBenchmarks = {
      Benchmark{"C1", "fused float32 attention", benchmark_float32_attention},
      Benchmark{"C2", "bfloat16 attention", benchmark_bfloat16_attention},
      Benchmark{"C3", "float32 attention on AVX2", benchmark_avx2_attention},
      Benchmark{"C4", "attention whose heads have different numbers of keys", benchmark_ragged_attention},
      Benchmark{"C5", "top-k with ordered indices", benchmark_topk},
  };
  return kBenchmarks;
}

}  // namespace kvscope::benchmark
