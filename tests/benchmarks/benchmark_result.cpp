#include "tests/benchmarks/benchmark_result.h"

namespace kvscope::benchmark {

Json to_json(const BenchmarkResult& result) {
  return {{"id", result.id},
          {"case", result.where},
          {"threads", result.threads},
          {"peer", result.peer},
          {"ours_s", result.seconds.ours_s},
          {"peer_s", result.seconds.peer_s},
          {"ratio", result.seconds.ratio.mean},
          {"low", result.seconds.ratio.low},
          {"high", result.seconds.ratio.high},
          {"ceiling_fraction", number_or_null(result.ceiling_fraction)},
          {"max_relative_error", number_or_null(result.max_relative_error)}};
}

}  // namespace kvscope::benchmark
