#include "tests/benchmarks/benchmark_report.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>

namespace kvscope::benchmark {
namespace {

Json to_json(const Interval& interval) {
  return {{"median", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

void print_ceilings(const BenchmarkReport& report) {
  std::cout << fmt::format("{}, SIMD level {}, {} thread(s), times are {}\n", report.processor, report.simd_level,
                           report.options.threads, report.options.threads == 1 ? "CPU time" : "wall time")
            << fmt::format("ceilings: {:.1f} GFLOP/s multiply-add, {:.2f} Gexp/s, {:.1f} GB/s copy (read + write)\n\n",
                           report.ceilings.multiply_add * 1e-9, report.ceilings.exponential * 1e-9,
                           report.ceilings.copy * 1e-9)
            << fmt::format("{:<10} {:<30} {:<26} {:>11} {:>14} {:>8}  {}\n", "benchmark", "case", "contestant",
                           "median", "rate", "ceiling", "time / kvscope's, 95 %");
}

void print_row(const BenchmarkRow& row) {
  const Interval& ratio = row.result.ratio;
  std::cout << fmt::format("{:<10} {:<30} {:<26} {:>8.1f} us {:>7.1f} G{:<6} {:>7} {:>6.2f} [{:.2f}, {:.2f}]\n",
                           row.benchmark, row.where, row.result.name, row.result.seconds.mean * 1e6, row.rate * 1e-9,
                           row.unit, row.of_ceiling ? fmt::format("{:.0f} %", *row.of_ceiling * 100) : "", ratio.mean,
                           ratio.low, ratio.high)
            << std::flush;
}

Json to_json(const BenchmarkReport& report) {
  Json rows = Json::array();
  for (const BenchmarkRow& row : report.rows) {
    Json entry = {{"benchmark", row.benchmark},
                  {"case", row.where},
                  {"contestant", row.result.name},
                  {"seconds", to_json(row.result.seconds)},
                  {"ratio", to_json(row.result.ratio)},
                  {"rate", row.rate},
                  {"unit", row.unit}};
    if (row.of_ceiling) entry["of_ceiling"] = *row.of_ceiling;
    rows.push_back(std::move(entry));
  }
  return {{"format", "kvscope-benchmark"},
          {"version", 1},
          {"processor", report.processor},
          {"simd_level", report.simd_level},
          {"threads", report.options.threads},
          {"rounds", report.options.rounds},
          {"ceilings",
           {{"multiply_add_flops", report.ceilings.multiply_add},
            {"exponentials", report.ceilings.exponential},
            {"copy_bytes", report.ceilings.copy}}},
          {"results", std::move(rows)}};
}

}  // namespace kvscope::benchmark
