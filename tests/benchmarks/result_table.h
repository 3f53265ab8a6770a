#pragma once

#include "tests/benchmarks/benchmark_result.h"
#include "tests/benchmarks/ceilings.h"

#include <ostream>
#include <string_view>

namespace kvscope::benchmark {

// The results as a table that grows line by line while the program runs.

void print_ceilings(std::string_view simd_level, int threads, const Ceilings& ceilings, std::ostream& out);
void print_head(std::ostream& out);
void print_result(const BenchmarkResult& result, std::ostream& out);

}  // namespace kvscope::benchmark
