#include "kernels/profile/profile.h"

#include "analysis/phase_times.h"
#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/progress.h"
#include "collectors/base/stopwatch.h"
#include "collectors/gpu/nvtx_ranges.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/request_part.h"
#include "collectors/timeline/range_recorder.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/profile/head_times.h"
#include "kernels/profile/isolated_heads.h"
#include "kernels/profile/profiled_cache.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace kvscope {
namespace {

std::unique_ptr<KvCache> make_cache(const Engine& engine, const ProfileOptions& options) {
  if (options.plan == nullptr && options.attention == FullAttention::kLibrary) return std::make_unique<FullKvCache>();
  const auto caches = caches_for(engine.device());
  if (options.plan == nullptr) return caches->full(engine.model(), engine.steps());
  return caches->compressed(*options.plan, engine.model(), AttendedRecord::kNone);
}

/// Bytes that a sample's rows hold after every step, from the plan: a GPU is not asked, which would make it wait.
std::vector<std::int64_t> planned_bytes(const Engine& engine, const Plan* plan) {
  Plan of_run =
      plan != nullptr ? *plan : make_plan({.method = "lossless"}, {.model = engine.model(), .steps = engine.steps()});
  of_run.model = engine.model();
  return plan_totals(of_run).bytes_after;
}

void check(const Engine& engine, const ProfileOptions& options) {
  const GenerationRequest& request = options.request;
  require(!request.labels.empty() && request.labels.size() == request.sample_ids.size(),
          "profile: one label and one number for each of at least one sample");
  require(options.batch >= 1 && options.warm_up >= 0 && options.repetitions >= 1,
          "profile: batch and repetitions are at least 1, warm-up at least 0");
  if (engine.device().is_cuda() && options.heads == HeadTimeMode::kIsolated) {
    throw environment_error("{}: the attention of single heads is measured on the CPU only", name_of(engine.device()));
  }
  if (options.plan == nullptr) return;
  check_same_model(options.plan->model, options.plan_name, engine.model(), "the model");
  if (options.plan->steps == engine.steps()) return;
  throw bad_input("{}: the plan was made for the steps {}, but the model runs {}", options.plan_name,
                  describe(options.plan->steps), describe(engine.steps()));
}

/// Seconds that a range costs which is begun, kept and ended.
double seconds_per_range() {
  constexpr std::int64_t kRanges = 20'000;
  RangeRecorder recorder(kRanges);
  const ListeningScope listening(recorder);
  const RangeTag tag{.phase = Phase::kStep, .step = 0};
  { const PhaseRange first(tag); }
  const Stopwatch watch;
  for (std::int64_t i = 1; i < kRanges; ++i) const PhaseRange range(tag);
  return watch.seconds() / static_cast<double>(kRanges - 1);
}

class ProfiledRun {
 public:
  ProfiledRun(const Engine& engine, const ProfileOptions& options)
      : engine_(engine), options_(options), cache_(make_cache(engine, options)), seen_(*cache_) {
    if (engine.device().is_cuda()) planned_bytes_ = planned_bytes(engine, options.plan);
    if (options.measure_overhead) result_.overhead.emplace();
    std::vector<RangeFollower*> followers;
    if (options.device != nullptr) followers.push_back(&options.device->follower());
    if (nvtx_ != nullptr) followers.push_back(nvtx_.get());
    recorder_.set_followers(std::move(followers));
  }

  ProfileResult run() {
    describe_run();
    until_interrupted([&] {
      warm_up();
      for (int repetition = 0; repetition < options_.repetitions; ++repetition) repeat(repetition);
    });
    result_.timeline.host = recorder_.take();
    if (options_.device != nullptr) take_device_records();
    if (result_.overhead) {
      result_.overhead->ranges = static_cast<std::int64_t>(result_.timeline.host.ranges.size());
      result_.overhead->range_seconds = seconds_per_range();
    }
    until_interrupted([&] { time_heads(); });
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::int64_t samples() const { return static_cast<std::int64_t>(options_.request.labels.size()); }
  [[nodiscard]] std::int64_t rows(std::int64_t count) const { return rows_per_sample(engine_.model()) * count; }

  template <typename Work>
  void until_interrupted(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInterrupted) throw;
      result_.interrupted = true;
    }
  }

  void describe_run() {
    result_.model = engine_.model();
    result_.steps = engine_.steps();
    result_.method = options_.plan != nullptr ? options_.plan->method : "full";
    result_.rows = rows(std::min(options_.batch, samples()));
    result_.device_note = options_.device_note;
  }

  /// One batch; `after_step` is called with the number of each step that is done.
  template <typename AfterStep>
  void generate(std::int64_t first, std::int64_t count, const AfterStep& after_step) {
    const PhaseRange range({.phase = Phase::kPass});
    const auto session = engine_.start(part_of(options_.request, first, count));
    seen_.begin(rows(count));
    while (!session->done()) {
      throw_if_interrupted();
      after_step(session->advance(seen_).step);
    }
    throw_if_interrupted();
    (void)session->images();
  }

  void warm_up() {
    for (int i = 0; i < options_.warm_up; ++i) generate(0, std::min(options_.batch, samples()), [](int) {});
    wait_for_device();
    if (options_.device != nullptr) options_.device->clear();
  }

  void wait_for_device() const {
    if (engine_.device().is_cuda()) wait_for(libtorch_device(engine_.device()));
  }

  void take_device_records() {
    wait_for_device();
    result_.device = options_.device->stop();
    result_.attribution = attribute(result_.device, result_.timeline.host.ranges);
    result_.has_device_records = true;
    result_.device_note.clear();
  }

  void repeat(int repetition) {
    Progress progress("profile", samples(), "samples", options_.progress);
    double plain = 0.0;
    double recorded = 0.0;
    for (std::int64_t first = 0, batch = 0; first < samples(); first += options_.batch, ++batch) {
      const std::int64_t count = std::min(options_.batch, samples() - first);
      // Whichever comes second finds warmer caches: they take turns.
      const bool plain_first = (repetition + batch) % 2 == 0;
      if (result_.overhead && plain_first) plain += generate_plain(first, count);
      recorded += generate_recorded(repetition, first, count);
      if (result_.overhead && !plain_first) plain += generate_plain(first, count);
      progress.update(first + count);
    }
    if (!result_.overhead) return;
    result_.overhead->plain_seconds.push_back(plain);
    result_.overhead->recorded_seconds.push_back(recorded);
  }

  double generate_plain(std::int64_t first, std::int64_t count) {
    const Stopwatch watch;
    generate(first, count, [](int) {});
    return watch.seconds();
  }

  double generate_recorded(int repetition, std::int64_t first, std::int64_t count) {
    auto& passes = result_.timeline.passes;
    const auto pass = static_cast<std::int32_t>(passes.size());
    passes.push_back({.repetition = repetition, .first_sample = first, .samples = count});
    recorder_.set_pass(pass);
    const auto end = [&] { passes.back().end_ns = steady_ns(); };
    const ListeningScope listening(recorder_);
    passes.back().start_ns = steady_ns();
    try {
      generate(first, count, [&](int step) { note_cache(pass, step, count); });
    } catch (...) {
      end();
      throw;
    }
    end();
    passes.back().complete = true;
    return passes.back().seconds();
  }

  [[nodiscard]] std::int64_t held_bytes(int step, std::int64_t count) const {
    if (planned_bytes_.empty()) return cache_->held_bytes();
    return planned_bytes_.at(static_cast<std::size_t>(step)) * count;
  }

  void note_cache(std::int32_t pass, int step, std::int64_t count) {
    const CacheMoment moment{.time_ns = steady_ns(),
                             .pass = pass,
                             .step = step,
                             .held_bytes = held_bytes(step, count),
                             .allocated_bytes = cache_->allocated_bytes()};
    result_.cache_bytes = std::max(result_.cache_bytes, moment.allocated_bytes);
    result_.timeline.cache.push_back(moment);
  }

  /// On a GPU the host only launches: what its work took counts there.
  [[nodiscard]] std::vector<PhaseTime> attention_times() const {
    if (!result_.has_device_records) return phase_times(result_.timeline.host.ranges);
    std::vector<PhaseTime> times;
    for (const DeviceWork& work : result_.device.work) {
      if (!work.range) continue;
      const RangeTag& tag = result_.timeline.host.ranges[*work.range].tag;
      times.push_back({tag.phase, tag.step, tag.layer, 0.0, work.seconds()});
    }
    return times;
  }

  void time_heads() {
    result_.heads = modelled_head_times(result_.model, result_.steps, options_.plan, attention_times());
    if (options_.heads == HeadTimeMode::kModel || result_.interrupted) return;
    std::int64_t generated = 0;
    for (const ProfiledPass& pass : result_.timeline.passes) generated += pass.samples;
    const double batches = static_cast<double>(rows(generated)) / static_cast<double>(result_.rows);
    HeadTimes heads =
        isolated_head_times(result_.model, result_.steps, options_.plan, result_.rows, batches, seen_.sites());
    heads.attention_seconds = result_.heads->attention_seconds;
    result_.heads = std::move(heads);
  }

  const Engine& engine_;
  const ProfileOptions& options_;
  std::unique_ptr<KvCache> cache_;
  ProfiledCache seen_;
  std::vector<std::int64_t> planned_bytes_;  ///< per sample and step; empty where the cache is asked
  std::unique_ptr<RangeFollower> nvtx_ = nvtx_ranges();
  RangeRecorder recorder_;
  ProfileResult result_;
};

}  // namespace

ProfileResult run_profile(const Engine& engine, const ProfileOptions& options) {
  check(engine, options);
  return ProfiledRun(engine, options).run();
}

}  // namespace kvscope
