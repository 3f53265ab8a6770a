#pragma once

#include "tests/benchmarks/benchmark_run.h"

#include <span>
#include <string_view>

namespace kvscope::benchmark {

/// One benchmark of `kvscope_bench_cpu`. Each checks its results before it measures anything, and throws Error
/// (kCheckFailed) if one is wrong.
struct Benchmark {
  std::string_view id;
  std::string_view title;
  void (*run)(BenchmarkRun&);
};

/// In the order of their ids.
[[nodiscard]] std::span<const Benchmark> benchmarks();

/// Rounds of benchmarks whose turns take seconds: at most 5, ten turns for each contestant.
[[nodiscard]] int few_rounds(const BenchmarkRun& run);

void benchmark_float32_attention(BenchmarkRun& run);
void benchmark_bfloat16_attention(BenchmarkRun& run);
void benchmark_avx2_attention(BenchmarkRun& run);
void benchmark_ragged_attention(BenchmarkRun& run);
void benchmark_topk(BenchmarkRun& run);
void benchmark_map_file(BenchmarkRun& run);
void benchmark_map_statistics(BenchmarkRun& run);
void benchmark_capture(BenchmarkRun& run);
void benchmark_replay(BenchmarkRun& run);
void benchmark_linear(BenchmarkRun& run);

}  // namespace kvscope::benchmark
