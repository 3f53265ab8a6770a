#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/base/error.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/collect.h"
#include "collectors/gpu/activity_recorder.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/timeline/range_recorder.h"
#include "kernels/cache/cache_factory.h"
#include "tests/benchmarks/gpu/cache_bytes.h"
#include "tests/benchmarks/gpu/gpu_benchmarks.h"
#include "tests/benchmarks/gpu/gpu_cases.h"
#include "tests/benchmarks/gpu/gpu_run.h"
#include "tests/benchmarks/gpu/random_model.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

namespace kvscope::benchmark {
namespace {

/// Turns take seconds.
int few_rounds(const GpuRun& run) {
  return std::min(run.request().race.rounds, 5);
}

/// Of a quick run: the first one.
std::vector<GenerationCase> cases_of(const GpuRun& run, std::vector<GenerationCase> cases) {
  if (run.request().quick) cases.resize(1);
  return cases;
}

/// The cases of each model in turn, so that no two models are in memory.
void for_each_model(const GpuRun& run, const std::vector<GenerationCase>& cases,
                    const std::function<void(const Engine&, const std::vector<GenerationCase>&)>& visit) {
  std::map<std::string_view, std::vector<GenerationCase>> by_model;
  for (const GenerationCase& one : cases) by_model[one.model->name].push_back(one);
  for (const auto& [name, of_model] : by_model) visit(*random_model(run, *of_model.front().model), of_model);
}

/// Every head keeps and attends to the same share, chosen by observed attention.
Plan uniform_plan(const Engine& engine, double compression) {
  return make_plan({.method = "uniform", .compression = compression},
                   {.model = engine.model(), .steps = engine.steps(), .heads = {}, .calibration = {}, .made_from = {}});
}

CollectRequest collect_request(const GpuRun& run, const Engine& engine, std::int64_t images) {
  CollectRequest request{
      .output = run.request().scratch / "kvscope-capture.h5", .batch = images, .earlier_run = EarlierRun::kReplace};
  request.labels = random_request(engine, images).labels;
  return request;
}

/// The largest relative error of the statistics' own attention against the output that the model used.
double checked_fidelity(const std::filesystem::path& file) {
  const Capture capture = Capture::open(file);
  double largest = 0.0;
  for (int step = 0; step < capture.steps().size(); ++step) {
    const Array<float> fidelity = capture.read(statistic::kFidelity, step);
    for (const float value : fidelity.values()) {
      largest = std::isnan(value) ? INFINITY : std::max(largest, double{value});
    }
  }
  // The model's output is bfloat16.
  constexpr double kTolerance = 2e-2;
  if (largest <= kTolerance) return largest;
  throw Error(ErrorCode::kCheckFailed,
              fmt::format("G8: the captured attention is off by {:.2g}, expected at most {:.2g}", largest, kTolerance));
}

void race_capture(GpuRun& run, const Engine& engine, const GenerationCase& one) {
  const CollectRequest request = collect_request(run, engine, one.images);
  (void)collect(engine, request);
  const double error = checked_fidelity(request.output);
  (void)plain_generation_seconds(engine, request);
  const Rounds rounds(2, few_rounds(run), [&](std::size_t who) {
    return std::vector{who == 0 ? collect(engine, request).seconds : plain_generation_seconds(engine, request)};
  });
  std::filesystem::remove(request.output);
  run.add({.id = "G8",
           .where = one.name(),
           .peer = "plain generation",
           .seconds = compare(rounds.seconds(0), rounds.seconds(1)),
           .max_relative_error = error});
}

/// @throws Error  kCheckFailed unless the cache takes what its plan says.
void check_bytes(const KvCache& cache, const Plan& plan, const GenerationCase& one, std::string_view id) {
  const std::int64_t expected = plan_totals(plan).allocated_bytes * one.images;
  if (cache.allocated_bytes() == expected) return;
  throw Error(ErrorCode::kCheckFailed, fmt::format("{}, {}: the cache allocates {} bytes, the plan says {}", id,
                                                   one.name(), cache.allocated_bytes(), expected));
}

void race_replay(GpuRun& run, const Engine& engine, const GenerationCase& one) {
  const auto caches = caches_for(run.request().device);
  const Plan plan = uniform_plan(engine, one.compression);
  const auto compressed = caches->compressed(plan, engine.model(), AttendedRecord::kNone);
  const auto full = caches->full(engine.model(), engine.steps());
  FullKvCache library;
  const std::vector<KvCache*> contestants = {compressed.get(), full.get(), &library};
  const GenerationRequest request = random_request(engine, one.images);
  for (KvCache* cache : contestants) (void)generation_seconds(engine, request, *cache);
  check_bytes(*compressed, plan, one, "G9");
  const Rounds rounds(contestants.size(), few_rounds(run), [&](std::size_t who) {
    return std::vector{generation_seconds(engine, request, *contestants[who])};
  });
  const char* names[] = {"", "kvscope, full cache", "LibTorch attention, full cache"};
  for (std::size_t peer = 1; peer < contestants.size(); ++peer) {
    run.add({.id = "G9",
             .where = one.name(),
             .peer = names[peer],
             .seconds = compare(rounds.seconds(0), rounds.seconds(peer))});
  }
}

MemoryResult memory_of(const KvCache& cache, const GenerationCase& one, std::string layout, std::int64_t formula) {
  return {.where = one.name(),
          .layout = std::move(layout),
          .bytes = cache.allocated_bytes(),
          .formula_bytes = formula,
          .published_bytes = published_cache_bytes(*one.model, one.images)};
}

/// Allocates the caches; nothing is generated.
void measure_memory(GpuRun& run, const Engine& engine, const GenerationCase& one) {
  const auto caches = caches_for(run.request().device);
  const GenerationRequest request = random_request(engine, one.images);
  {
    const auto full = caches->full(engine.model(), engine.steps());
    (void)generation_seconds(engine, request, *full);
    run.add(memory_of(*full, one, "lossless", lossless_cache_bytes(*one.model, one.images)));
  }
  const auto compressed =
      caches->compressed(uniform_plan(engine, one.compression), engine.model(), AttendedRecord::kNone);
  (void)generation_seconds(engine, request, *compressed);
  run.add(memory_of(*compressed, one, fmt::format("{:.0f} %", 100 * one.compression),
                    compressed_cache_bytes(*one.model, one.images, 1.0 - one.compression)));
}

/// Seconds of a generation whose GPU work is recorded and attributed to ranges; CUPTI is there for this turn alone.
double profiled_seconds(const Engine& engine, const GenerationRequest& request, KvCache& cache) {
  ActivityRecorder device;
  const std::string reason = device.start();
  if (!reason.empty()) throw environment_error("{}", reason);
  RangeRecorder ranges;
  ranges.set_followers({&device.follower()});
  double seconds = 0.0;
  {
    const ListeningScope listening(ranges);
    // CUPTI prepares a kernel at its first use.
    (void)generation_seconds(engine, request, cache);
    device.clear();
    (void)ranges.take();
    seconds = generation_seconds(engine, request, cache);
  }
  (void)device.stop();
  return seconds;
}

void race_profile(GpuRun& run, const Engine& engine, const GenerationCase& one) {
  FullKvCache cache;
  const GenerationRequest request = random_request(engine, one.images);
  (void)generation_seconds(engine, request, cache);
  const Rounds rounds(2, few_rounds(run), [&](std::size_t who) {
    return std::vector{who == 0 ? profiled_seconds(engine, request, cache)
                                : generation_seconds(engine, request, cache)};
  });
  run.add({.id = "G11",
           .where = one.name(),
           .peer = "not profiled",
           .seconds = compare(rounds.seconds(0), rounds.seconds(1))});
}

using Measure = void (*)(GpuRun&, const Engine&, const GenerationCase&);

void measure_all(GpuRun& run, std::vector<GenerationCase> cases, Measure measure) {
  for_each_model(run, cases_of(run, std::move(cases)),
                 [&](const Engine& engine, const std::vector<GenerationCase>& of_model) {
                   for (const GenerationCase& one : of_model) measure(run, engine, one);
                 });
}

}  // namespace

void benchmark_gpu_capture(GpuRun& run) {
  measure_all(run, capture_cases(), race_capture);
}

void benchmark_gpu_replay(GpuRun& run) {
  measure_all(run, replay_cases(), race_replay);
}

void benchmark_gpu_memory(GpuRun& run) {
  measure_all(run, replay_cases(), measure_memory);
}

void benchmark_gpu_profile(GpuRun& run) {
  measure_all(run, profile_cases(), race_profile);
}

}  // namespace kvscope::benchmark
