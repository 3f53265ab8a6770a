#include "tests/benchmarks/benchmark_run.h"

#include "collectors/base/parallel.h"
#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/machine.h"
#include "tests/benchmarks/result_table.h"

#include <iostream>

namespace kvscope::benchmark {
namespace {

Json ceilings_to_json(const Ceilings& ceilings) {
  return {{"multiply_add_flops", ceilings.multiply_add},
          {"bfloat16_dot_flops", number_or_null(ceilings.bfloat16_dot)},
          {"exponentials", ceilings.exponential},
          {"copy_bytes", ceilings.copy}};
}

}  // namespace

RaceOptions BenchmarkRun::race(int threads) const {
  set_thread_count(threads);
  RaceOptions options = request_.race;
  options.threads = threads;
  return options;
}

const Ceilings& BenchmarkRun::ceilings(int threads) {
  const std::string level = simd_level();
  auto& of_level = ceilings_[level];
  const auto found = of_level.find(threads);
  if (found != of_level.end()) return found->second;
  const Ceilings& measured = of_level.emplace(threads, measure_ceilings(race(threads))).first->second;
  print_ceilings(level, threads, measured, std::cout);
  return measured;
}

void BenchmarkRun::add(BenchmarkResult result) {
  if (results_.empty()) print_head(std::cout);
  print_result(result, std::cout);
  results_.push_back(std::move(result));
}

void BenchmarkRun::note(const std::string& text) const {
  std::cerr << "note: " << text << '\n';
}

Json BenchmarkRun::to_json() const {
  Json ceilings = Json::object();
  for (const auto& [level, of_level] : ceilings_) {
    for (const auto& [threads, measured] : of_level) {
      ceilings[level][std::to_string(threads)] = ceilings_to_json(measured);
    }
  }
  Json results = Json::array();
  for (const BenchmarkResult& result : results_) results.push_back(benchmark::to_json(result));
  return {{"machine", machine(request_)}, {"ceilings", std::move(ceilings)}, {"results", std::move(results)}};
}

}  // namespace kvscope::benchmark
