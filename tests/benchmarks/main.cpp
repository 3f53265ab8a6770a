// kvscope_bench_cpu: what the CPU kernels reach of this machine's ceilings, and how they stand against peers.
#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/benchmarks.h"

#include <boost/program_options.hpp>

#include <exception>
#include <iostream>
#include <string>

namespace kvscope::benchmark {
namespace {

namespace options = boost::program_options;

struct Request {
  RaceOptions race;
  std::string only;  ///< a benchmark's name, or empty for all
  std::string json;  ///< a file, or empty
};

/// @return  nothing if only help was asked for
std::optional<Request> parse(int argc, char** argv) {
  Request request;
  options::options_description description(
      "kvscope_bench_cpu [options]\nMeasures the CPU kernels against peers in interleaved turns and against this\n"
      "machine's ceilings. KVSCOPE_SIMD=avx2 (avx512, sse4, scalar) forces an instruction set.\n\nOptions");
  description.add_options()("help,h", "this text")("only", options::value(&request.only),
                                                   "attention, ragged or topk (default: all)")(
      "threads", options::value(&request.race.threads)->default_value(1),
      "threads; 1 measures CPU time, more wall time")(
      "rounds", options::value(&request.race.rounds)->default_value(request.race.rounds),
      "turns per contestant, halved")(
      "seconds", options::value(&request.race.sample_seconds)->default_value(request.race.sample_seconds, "0.02"),
      "length of a turn in seconds")("quick", "one round of single runs: checks results, measures nothing useful")(
      "json", options::value(&request.json), "also write the results to this file");
  options::variables_map values;
  constexpr int kStyle = options::command_line_style::default_style & ~options::command_line_style::allow_guessing;
  try {
    options::store(options::parse_command_line(argc, argv, description, kStyle), values);
  } catch (const options::error& error) {
    throw usage_error("{}", error.what());
  }
  options::notify(values);
  if (values.count("help") != 0) {
    std::cout << description;
    return std::nullopt;
  }
  if (values.count("quick") != 0) {
    request.race.rounds = 1;
    request.race.sample_seconds = 0.0;
  }
  const bool known =
      request.only.empty() || request.only == "attention" || request.only == "ragged" || request.only == "topk";
  if (!known) throw usage_error("--only is '{}', expected attention, ragged or topk", request.only);
  if (request.race.rounds < 1 || request.race.threads < 1) throw usage_error("--rounds and --threads are at least 1");
  return request;
}

void run(const Request& request) {
  set_thread_count(request.race.threads);
  BenchmarkReport report{.options = request.race,
                         .simd_level = simd_level(),
                         .processor = processor_name(),
                         .ceilings = measure_ceilings(request.race),
                         .rows = {}};
  print_ceilings(report);
  const RowSink sink = [&](const BenchmarkRow& row) {
    print_row(row);
    report.rows.push_back(row);
  };
  const auto wanted = [&](std::string_view name) { return request.only.empty() || request.only == name; };
  if (wanted("attention")) benchmark_attention(request.race, report.ceilings, sink);
  if (wanted("ragged")) benchmark_ragged(request.race, report.ceilings, sink);
  if (wanted("topk")) benchmark_topk(request.race, sink);
  if (!request.json.empty()) write_json_file(request.json, to_json(report));
}

}  // namespace
}  // namespace kvscope::benchmark

int main(int argc, char** argv) {
  try {
    if (const auto request = kvscope::benchmark::parse(argc, argv)) kvscope::benchmark::run(*request);
    return 0;
  } catch (const kvscope::Error& error) {
    std::cerr << "kvscope_bench_cpu: " << error.what() << '\n';
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::cerr << "kvscope_bench_cpu: " << error.what() << '\n';
    return static_cast<int>(kvscope::ErrorCode::kEnvironment);
  }
}
