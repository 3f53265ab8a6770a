#pragma once

#include "collectors/base/json_file.h"
#include "tests/benchmarks/ceilings.h"
#include "tests/benchmarks/race.h"

#include <optional>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// One line of the result: one contestant in one case.
struct BenchmarkRow {
  std::string benchmark;  ///< "attention"
  std::string where;      ///< "head_dim 64, 256 x 680"
  RaceResult result;
  double rate = 0.0;                 ///< work per second
  std::string unit;                  ///< of the rate: "FLOP/s", "scores/s"
  std::optional<double> of_ceiling;  ///< rate over the machine's ceiling, where there is one
};

/// Everything that belongs to one run of the program.
struct BenchmarkReport {
  RaceOptions options;
  std::string simd_level;
  std::string processor;
  Ceilings ceilings;
  std::vector<BenchmarkRow> rows;
};

/// "model name" of /proc/cpuinfo, or "unknown".
[[nodiscard]] std::string processor_name();

void print_ceilings(const BenchmarkReport& report);
/// Prints rows as they come.
void print_row(const BenchmarkRow& row);
/// format "kvscope-benchmark", version 1.
[[nodiscard]] Json to_json(const BenchmarkReport& report);

}  // namespace kvscope::benchmark
