#include "tests/benchmarks/benchmarks.h"

#include <algorithm>
#include <array>

namespace kvscope::benchmark {

std::span<const Benchmark> benchmarks() {
  static constexpr std::array kBenchmarks = {
      Benchmark{"C1", "fused float32 attention", benchmark_float32_attention},
      Benchmark{"C2", "bfloat16 attention", benchmark_bfloat16_attention},
      Benchmark{"C3", "float32 attention on AVX2", benchmark_avx2_attention},
      Benchmark{"C4", "attention whose heads have different numbers of keys", benchmark_ragged_attention},
      Benchmark{"C5", "top-k with ordered indices", benchmark_topk},
      Benchmark{"C6", "writing and reading raw maps", benchmark_map_file},
      Benchmark{"C7", "column statistics of raw maps in a capture", benchmark_map_statistics},
      Benchmark{"C9", "capturing beside plain generation", benchmark_capture},
      Benchmark{"C10", "replay with a compressed cache beside the full one", benchmark_replay},
      Benchmark{"C11", "linear layers in bfloat16 by products in float32", benchmark_linear},
  };
  return kBenchmarks;
}

int few_rounds(const BenchmarkRun& run) {
  return std::min(run.request().race.rounds, 5);
}

}  // namespace kvscope::benchmark
