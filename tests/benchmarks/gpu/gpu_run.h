#pragma once

#include "collectors/base/json_file.h"
#include "tests/benchmarks/benchmark_run.h"
#include "tests/benchmarks/gpu/benchmark_gpu.h"
#include "tests/benchmarks/gpu/gpu_ceilings.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// What the command line of kvscope_bench_gpu asks for.
struct GpuRequest {
  std::vector<std::string> only;  ///< ids; empty: all
  ComputeDevice device{.kind = DeviceKind::kCuda};
  RaceOptions race;
  bool quick = false;             ///< the smallest case of each benchmark and a single round
  std::filesystem::path scratch;  ///< where models with random weights are written; up to 20 GB
  std::filesystem::path json;     ///< empty: none is written
};

/// Bytes of a cache beside what the published implementation takes.
struct MemoryResult {
  std::string where;   ///< "Infinity-2B, 1 image"
  std::string layout;  ///< "70 %"
  std::int64_t bytes = 0;
  std::int64_t formula_bytes = 0;  ///< what the layout should take
  std::int64_t published_bytes = 0;
};

/// One run of kvscope_bench_gpu: measures ceilings first, collects and prints results.
class GpuRun {
 public:
  /// @throws Error  kEnvironment if there is no usable GPU.
  explicit GpuRun(GpuRequest request);

  [[nodiscard]] const GpuRequest& request() const noexcept { return request_; }
  [[nodiscard]] const BenchmarkGpu& card() const noexcept { return card_; }
  [[nodiscard]] const GpuCeilings& ceilings() const noexcept { return ceilings_; }

  void add(BenchmarkResult result);
  void add(const MemoryResult& result);
  void note(const std::string& text) const;

  /// docs/benchmarks.md, tests/benchmarks/benchmark.schema.json
  [[nodiscard]] Json to_json() const;

 private:
  GpuRequest request_;
  BenchmarkGpu card_;
  GpuCeilings ceilings_;
  std::vector<BenchmarkResult> results_;
  std::vector<MemoryResult> memory_;
};

}  // namespace kvscope::benchmark
