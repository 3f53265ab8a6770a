// kvscope_bench_cpu: what the CPU kernels reach of this machine's ceilings, and how they stand against peers.
#include "collectors/base/error.h"
#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/benchmarks.h"
#include "tests/benchmarks/machine.h"

#include <boost/program_options.hpp>

#include <algorithm>
#include <charconv>
#include <exception>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace kvscope::benchmark {
namespace {

namespace options = boost::program_options;

std::string ids() {
  std::string text;
  for (const Benchmark& benchmark : benchmarks()) text += fmt::format("{}{}", text.empty() ? "" : ", ", benchmark.id);
  return text;
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream text(list);
  for (std::string word; std::getline(text, word, ',');) words.push_back(word);
  return words;
}

void check_ids(const std::vector<std::string>& only) {
  for (const std::string& id : only) {
    if (std::ranges::count(benchmarks(), id, &Benchmark::id) == 0) {
      throw usage_error("--only: there is no '{}', expected some of {}", id, ids());
    }
  }
}

std::vector<int> thread_numbers(const std::string& list) {
  std::vector<int> numbers;
  for (const std::string& word : words_of(list)) {
    int number = 0;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (failure != std::errc{} || end != word.data() + word.size() || number < 1 || number > 1024) {
      throw usage_error("--threads: '{}' is not a number of threads, expected 1 to 1024", word);
    }
    numbers.push_back(number);
  }
  return numbers;
}

/// One thread, and all cores where there are more.
std::string default_threads() {
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 1 ? fmt::format("1,{}", cores) : "1";
}

/// @return  nothing if everything was said already (--help, --list)
std::optional<BenchmarkRequest> parse(int argc, char** argv) {
  BenchmarkRequest request;
  std::string only;
  std::string threads;
  std::string json;
  std::string datasets;
  options::options_description description(
      "kvscope_bench_cpu [options]\nMeasures kvscope on this machine's processor against other libraries, in turns, "
      "and\n"
      "against the machine's ceilings of the same run; docs/benchmarks.md says what and how.\n"
      "KVSCOPE_SIMD=avx2 (avx512bf16, avx512, sse4, scalar) forces an instruction set.\n\nOptions");
  // clang-format off
  description.add_options()
      ("help,h", "this text")
      ("list", "print the benchmarks' ids and what they measure")
      ("only", options::value(&only), "ids separated by commas, e.g. C1,C5 (default: all)")
      ("threads", options::value(&threads)->default_value(default_threads()), "numbers of threads separated by commas; 1 measures CPU time, more wall time")
      ("rounds", options::value(&request.race.rounds)->default_value(request.race.rounds), "every contestant has two turns a round")
      ("seconds", options::value(&request.race.sample_seconds)->default_value(request.race.sample_seconds, "0.02"), "least length of a turn in seconds")
      ("maps-gb", options::value(&request.maps_gb)->default_value(request.maps_gb), "size of the raw maps of C7 in 1e9 bytes")
      ("openblas-core", options::value(&request.openblas_core), "kernels of OpenBLAS in C1, e.g. Haswell (default: SkylakeX where the processor has AVX-512)")
      ("datasets", options::value(&datasets)->default_value(KVSCOPE_DATASETS_FOLDER), "folder with sample_model, for C9 and C10")
      ("quick", "small cases and a single round: checks results, measures nothing useful")
      ("json", options::value(&json), "also write the results to this file");
  // clang-format on
  options::variables_map values;
  constexpr int kStyle = options::command_line_style::default_style & ~options::command_line_style::allow_guessing;
  try {
    options::store(options::parse_command_line(argc, argv, description, kStyle), values);
    options::notify(values);
  } catch (const options::error& error) {
    throw usage_error("{}", error.what());
  }
  if (values.count("help") != 0) {
    std::cout << description;
    return std::nullopt;
  }
  if (values.count("list") != 0) {
    for (const Benchmark& benchmark : benchmarks()) std::cout << benchmark.id << "  " << benchmark.title << '\n';
    return std::nullopt;
  }
  request.only = words_of(only);
  check_ids(request.only);
  request.threads = thread_numbers(threads);
  request.datasets = datasets;
  request.json = json;
  request.quick = values.count("quick") != 0;
  if (request.quick) {
    request.race.rounds = 1;
    request.race.sample_seconds = 0.0;
  }
  if (request.race.rounds < 1) throw usage_error("--rounds is {}, expected at least 1", request.race.rounds);
  if (!(request.maps_gb > 0.0)) throw usage_error("--maps-gb is {}, expected more than 0", request.maps_gb);
  return request;
}

void run(const BenchmarkRequest& request) {
  BenchmarkRun run(request);
  std::cout << processor_name() << ", SIMD level " << simd_level() << '\n';
  for (const int threads : request.threads) (void)run.ceilings(threads);
  for (const Benchmark& benchmark : benchmarks()) {
    if (request.only.empty() || std::ranges::count(request.only, benchmark.id) > 0) benchmark.run(run);
  }
  if (!request.json.empty()) write_json_file(request.json, run.to_json());
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
