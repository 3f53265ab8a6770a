#include "collectors/base/error.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/collect.h"
#include "collectors/models/engine_factory.h"
#include "support/paths.h"
#include "support/random_var.h"
#include "tests/benchmarks/benchmarks.h"

#include <algorithm>
#include <numeric>

namespace kvscope::benchmark {
namespace {

CollectRequest request_for(const Engine& engine, const std::filesystem::path& file, std::int64_t samples) {
  CollectRequest request{
      .output = file, .guidance = 1.5, .top_k = 100, .batch = samples, .earlier_run = EarlierRun::kReplace};
  request.labels.resize(static_cast<std::size_t>(samples));
  std::iota(request.labels.begin(), request.labels.end(), 0);
  for (std::int64_t& label : request.labels) label %= engine.classes();
  return request;
}

/// The largest relative error of the statistics' own attention against the output that the model used.
double checked_fidelity(const std::filesystem::path& file) {
  const Capture capture = Capture::open(file);
  double largest = 0.0;
  for (int step = 0; step < capture.steps().size(); ++step) {
    const Array<float> fidelity = capture.read(statistic::kFidelity, step);
    for (const float value : fidelity.values()) largest = std::max(largest, double{value});
  }
  constexpr double kTolerance = 1e-4;
  if (largest <= kTolerance) return largest;
  throw Error(ErrorCode::kCheckFailed, fmt::format("C9: the captured attention is off by {:.2g}, expected at most "
                                                   "{:.2g}",
                                                   largest, kTolerance));
}

void race_capture(BenchmarkRun& run, const Engine& engine, const std::string& name, std::int64_t samples, int n_round) {
  const testing::TemporaryFolder folder;
  const CollectRequest request = request_for(engine, folder / "capture.h5", samples);
  (void)collect(engine, request);
  const double error = checked_fidelity(request.output);
  for (const int threads : run.request().threads) {
    (void)run.race(threads);
    const Rounds rounds(2, n_round, [&](std::size_t who) {
      return std::vector{who == 0 ? collect(engine, request).seconds : plain_generation_seconds(engine, request)};
    });
    run.add({.id = "C9",
             .where = fmt::format("{}, {} sample{}", name, samples, samples == 1 ? "" : "s"),
             .threads = threads,
             .peer = "plain generation",
             .seconds = compare(rounds.seconds(0), rounds.seconds(1)),
             .max_relative_error = error});
  }
}

}  // namespace

void benchmark_capture(BenchmarkRun& run) {
  const std::filesystem::path bundled = run.request().datasets / "sample_model";
  const auto engine =
      load_engine({.transformer = bundled / "var.safetensors", .tokenizer = bundled / "vae.safetensors"});
  race_capture(run, *engine, "bundled model", run.request().quick ? 1 : 8, few_rounds(run));
  if (run.request().quick) return;
  const testing::TemporaryFolder folder;
  const testing::VarFiles files = testing::write_random_var(folder.path(), testing::var_d16());
  const auto large = load_engine({.transformer = files.transformer, .tokenizer = files.tokenizer});
  // A turn takes seconds.
  race_capture(run, *large, "VAR-d16, random weights", 1, std::min(few_rounds(run), 3));
}

}  // namespace kvscope::benchmark
