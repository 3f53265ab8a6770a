#pragma once

#include "tests/benchmarks/benchmark_report.h"

#include <functional>

namespace kvscope::benchmark {

using RowSink = std::function<void(const BenchmarkRow&)>;

// Each checks its results before it measures, and throws Error (kCheckFailed) if one is wrong.

/// Dense attention on shapes of VAR-d30 and Infinity-2B against LibTorch and two products of Eigen.
void benchmark_attention(const RaceOptions& options, const Ceilings& ceilings, const RowSink& sink);
/// Two classes of heads at 50, 70 and 90 % compression against all keys: what is left of the saved FLOPs.
void benchmark_ragged(const RaceOptions& options, const Ceilings& ceilings, const RowSink& sink);
/// Ordered top-k against nth_element and sort.
void benchmark_topk(const RaceOptions& options, const RowSink& sink);

}  // namespace kvscope::benchmark
