#pragma once

#include "tests/benchmarks/attention_peers.h"
#include "tests/benchmarks/benchmark_run.h"

#include <string_view>
#include <vector>

namespace kvscope::benchmark {

/// What the results of one problem have in common.
struct AttentionRaceLabels {
  std::string_view id;
  std::string where;
  int threads = 1;
  std::optional<double> ceiling;  ///< FLOP/s
  double tolerance = 0.0;         ///< largest relative error of everybody
};

/// Checks every contestant's result, lets them race and adds a result for each peer; the first one is ours.
void race_attention(BenchmarkRun& run, const std::vector<AttentionPeer>& contestants,
                    const AttentionRaceLabels& labels);

/// Of float32 results: some 1e-6 for data of unit variance, with room for peers' orders of summation.
inline constexpr double kFloat32Tolerance = 2e-5;
/// Of bfloat16 results: the output is rounded to 8 bits (2^-9 of itself), and the weights before it, whose errors
/// average out.
inline constexpr double kBFloat16Tolerance = 2e-2;

}  // namespace kvscope::benchmark
