#pragma once

#include "collectors/base/json_file.h"
#include "tests/benchmarks/benchmark_result.h"
#include "tests/benchmarks/ceilings.h"
#include "tests/benchmarks/race.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// What the command line asks for.
struct BenchmarkRequest {
  std::vector<std::string> only;   ///< ids; empty: all
  std::vector<int> threads;        ///< numbers of threads to measure with
  RaceOptions race;                ///< `threads` is set by each benchmark
  bool quick = false;              ///< small cases and one round: checks results, measures nothing useful
  double maps_gb = 2.0;            ///< size of the raw maps of C7, in 1e9 bytes
  std::string openblas_core;       ///< kernels of OpenBLAS in C1; empty: the best ones
  std::filesystem::path datasets;  ///< the folder with sample_model
  std::filesystem::path json;      ///< empty: none is written
};

/// One run of the program: measures ceilings where they are needed, collects and prints results.
class BenchmarkRun {
 public:
  explicit BenchmarkRun(BenchmarkRequest request) : request_(std::move(request)) {}

  [[nodiscard]] const BenchmarkRequest& request() const noexcept { return request_; }
  /// The request's race with so many threads; also gives the kernels that many.
  [[nodiscard]] RaceOptions race(int threads) const;
  /// Of the SIMD level in use; measured at the first call for it.
  [[nodiscard]] const Ceilings& ceilings(int threads);
  /// Prints the result as a line of the table, and keeps it.
  void add(BenchmarkResult result);
  /// Says on standard error why something is missing.
  void note(const std::string& text) const;

  /// docs/benchmarks.md, tests/benchmarks/benchmark.schema.json
  [[nodiscard]] Json to_json() const;

 private:
  BenchmarkRequest request_;
  std::map<std::string, std::map<int, Ceilings>> ceilings_;  // by SIMD level and threads
  std::vector<BenchmarkResult> results_;
};

}  // namespace kvscope::benchmark
