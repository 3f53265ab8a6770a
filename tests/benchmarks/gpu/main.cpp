// kvscope_bench_gpu: what the GPU kernels reach, and how they stand against LibTorch's on the same GPU.
#include "collectors/base/error.h"
#include "tests/benchmarks/gpu/gpu_benchmarks.h"
#include "tests/benchmarks/gpu/gpu_run.h"

#include <boost/program_options.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <optional>
#include <sstream>

namespace kvscope::benchmark {
namespace {

namespace options = boost::program_options;

std::string ids() {
  std::string text;
  for (const GpuBenchmark& benchmark : gpu_benchmarks())
    text += fmt::format("{}{}", text.empty() ? "" : ", ", benchmark.id);
  return text;
}

std::vector<std::string> ids_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream text(list);
  for (std::string word; std::getline(text, word, ',');) {
    if (std::ranges::count(gpu_benchmarks(), word, &GpuBenchmark::id) == 0) {
      throw usage_error("--only: there is no '{}', expected some of {}", word, ids());
    }
    words.push_back(word);
  }
  return words;
}

bool is_asked_for(const std::vector<std::string>& only, std::string_view id) {
  return only.empty() || std::ranges::count(only, id) > 0;
}

/// Needs no GPU.
void list(const std::vector<std::string>& only, bool as_json) {
  Json document = Json::array();
  for (const GpuBenchmark& benchmark : gpu_benchmarks()) {
    if (!is_asked_for(only, benchmark.id)) continue;
    if (!as_json) std::cout << fmt::format("{}  {}; peers: {}\n", benchmark.id, benchmark.title, benchmark.peers);
    for (const ListedCase& one : benchmark.list()) {
      if (as_json) {
        document.push_back({{"id", benchmark.id}, {"case", one.where}, {"flop", one.flops}, {"bytes", one.bytes}});
        continue;
      }
      const std::string flop = one.flops > 0.0 ? fmt::format("{:.1f} GFLOP", 1e-9 * one.flops) : "";
      std::cout << fmt::format("      {:<62} {:>17} {:>14.3f} MB\n", one.where, flop, 1e-6 * one.bytes);
    }
  }
  if (as_json) std::cout << document.dump(2) << '\n';
}

/// @return  nothing if everything was said already (--help, --list)
std::optional<GpuRequest> parse(int argc, char** argv) {
  GpuRequest request;
  std::string only;
  std::string device;
  std::string json;
  std::string scratch;
  options::options_description description(
      "kvscope_bench_gpu [options]\nMeasures kvscope on a GPU against LibTorch's kernels, in turns, and against the "
      "GPU's "
      "ceilings\nof the same run; docs/benchmarks.md says what and how. Without a GPU it says so and ends with status "
      "4.\n\n"
      "Options");
  // clang-format off
  description.add_options()
      ("help,h", "this text")
      ("list", "print the benchmarks, their cases, and the FLOP and bytes (1e6) of each; needs no GPU")
      ("list-json", "the same as JSON, in FLOP and bytes")
      ("only", options::value(&only), "ids separated by commas, e.g. G1,G7 (default: all)")
      ("device", options::value(&device)->default_value("cuda"), "cuda or cuda:N")
      ("rounds", options::value(&request.race.rounds)->default_value(request.race.rounds), "every contestant has two turns a round")
      ("seconds", options::value(&request.race.sample_seconds)->default_value(request.race.sample_seconds, "0.02"), "least length of a turn in seconds")
      ("scratch", options::value(&scratch)->default_value("/tmp"), "folder for models with random weights, for G8 to G11: up to 20 GB")
      ("quick", "the first case of each benchmark and a single round: checks results, measures nothing useful")
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
  request.only = ids_of(only);
  if (values.count("list") != 0 || values.count("list-json") != 0) {
    list(request.only, values.count("list-json") != 0);
    return std::nullopt;
  }
  request.device = compute_device_from_name(device, "--device");
  if (!request.device.is_cuda()) throw usage_error("--device is '{}', expected cuda or cuda:N", device);
  request.scratch = scratch;
  request.json = json;
  request.quick = values.count("quick") != 0;
  if (request.quick) {
    request.race.rounds = 1;
    request.race.sample_seconds = 0.0;
  }
  if (request.race.rounds < 1) throw usage_error("--rounds is {}, expected at least 1", request.race.rounds);
  return request;
}

void run(const GpuRequest& request) {
  GpuRun run(request);
  for (const GpuBenchmark& benchmark : gpu_benchmarks()) {
    if (is_asked_for(request.only, benchmark.id)) benchmark.run(run);
    // What was measured stays if a later one fails.
    if (!request.json.empty()) write_json_file(request.json, run.to_json());
  }
}

}  // namespace
}  // namespace kvscope::benchmark

int main(int argc, char** argv) {
  try {
    if (const auto request = kvscope::benchmark::parse(argc, argv)) kvscope::benchmark::run(*request);
    return 0;
  } catch (const kvscope::Error& error) {
    std::cerr << "kvscope_bench_gpu: " << error.what() << '\n';
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::cerr << "kvscope_bench_gpu: " << error.what() << '\n';
    return static_cast<int>(kvscope::ErrorCode::kEnvironment);
  }
}
