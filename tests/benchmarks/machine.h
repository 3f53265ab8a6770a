#pragma once

#include "collectors/base/json_file.h"
#include "tests/benchmarks/benchmark_run.h"

#include <string>

namespace kvscope::benchmark {

/// "model name" of /proc/cpuinfo, or "unknown".
[[nodiscard]] std::string processor_name();

/// What the results depend on besides the program: processor, its flags, caches, threads, versions of the peers.
[[nodiscard]] Json machine(const BenchmarkRequest& request);

}  // namespace kvscope::benchmark
