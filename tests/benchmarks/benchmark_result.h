#pragma once

#include "collectors/base/json_file.h"
#include "tests/benchmarks/race.h"

#include <optional>
#include <string>

namespace kvscope::benchmark {

/// One line of the result: a case of a benchmark against one peer.
struct BenchmarkResult {
  std::string id;     ///< "C1", "G1"
  std::string where;  ///< the case: "head_dim 64, 256 x 680"
  int threads = 1;
  std::string peer;
  Comparison seconds;
  std::optional<double> ceiling_fraction;    ///< ours over the ceiling of this run, where there is one
  std::optional<double> max_relative_error;  ///< of ours against the reference, where it is a number
  std::optional<double> rate;                ///< of ours, units per second
  std::string unit;                          ///< of the rate: "FLOP"
};

/// An entry of "results": tests/benchmarks/benchmark.schema.json.
[[nodiscard]] Json to_json(const BenchmarkResult& result);

/// null where there is none.
template <typename T>
[[nodiscard]] Json number_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace kvscope::benchmark
