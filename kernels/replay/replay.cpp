#include "kernels/replay/replay.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/process_memory.h"
#include "collectors/base/progress.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/device_memory.h"
#include "collectors/models/request_part.h"
#include "collectors/text/text_features.h"
#include "kernels/replay/image_comparison.h"
#include "kernels/replay/lockstep.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

void check_plan_fits(const Engine& engine, const Plan& plan, std::string_view plan_name) {
  check_same_model(plan.model, plan_name, engine.model(), "the model");
  if (plan.steps == engine.steps()) return;
  throw bad_input("{}: the plan was made for the steps {}, but the model runs {}", plan_name, describe(plan.steps),
                  describe(engine.steps()));
}

void check_options(const Engine& engine, const ReplayOptions& options) {
  const GenerationRequest& request = options.request;
  require(!request.labels.empty() && request.labels.size() == request.sample_ids.size(),
          "replay: one label and one number for each of at least one sample");
  require(options.batch >= 1, "replay: a batch has at least one sample");
  require(options.free_running || options.teacher_forced, "replay: nothing to compare");
  if (options.evaluator != nullptr && options.evaluator->classes() != engine.classes()) {
    throw bad_input("the evaluator knows {} classes, but the model has {}", options.evaluator->classes(),
                    engine.classes());
  }
}

/// The whole run: batches one after the other into one record.
class Replay {
 public:
  Replay(const Engine& engine, const Plan& plan, const ReplayOptions& options)
      : engine_(engine),
        plan_(plan),
        options_(options),
        factory_(options.caches != nullptr ? options.caches : caches_for(engine.device())),
        samples_(static_cast<std::int64_t>(options.request.labels.size())),
        images_(options.evaluator, options.reference, options.keep_images) {
    if (options.free_running) record_.free_running.emplace(samples_, engine.steps(), engine.model());
    if (options.teacher_forced) record_.teacher_forced.emplace(samples_, engine.steps(), engine.model());
    record_.seconds.steps.resize(index(engine.steps().size()));
  }

  ReplayOutcome run() {
    const Stopwatch watch;
    const std::int64_t n_step = engine_.steps().size();
    Progress progress("replay", samples_ * n_step, "sample steps", options_.progress);
    for (std::int64_t first = 0; first < samples_; first += options_.batch) {
      run_batch(first, std::min(options_.batch, samples_ - first), progress);
    }
    progress.finish();
    return outcome(watch);
  }

 private:
  void run_batch(std::int64_t first, std::int64_t count, Progress& progress) {
    const std::int64_t n_step = engine_.steps().size();
    const bool keeps_positions = first == 0 && options_.free_running && options_.keep_images;
    make_caches({.free_running = options_.free_running,
                 .teacher_forced = options_.teacher_forced,
                 .attended = keeps_positions ? AttendedRecord::kLatestStep : AttendedRecord::kNone});
    Lockstep batch(engine_, *caches_, plan_, part_of(options_.request, first, count), first, record_);
    for (std::int64_t step = 1; !batch.done(); ++step) {
      throw_if_interrupted();
      batch.advance();
      if (keeps_positions) {
        batch.append_kept_positions(head_stride(), kept_);
      }
      progress.update(first * n_step + step * count);
    }
    batch.finish();
    if (!options_.free_running) return;
    throw_if_interrupted();
    const std::span labels(options_.request.labels);
    const Array<std::uint8_t> full = batch.full_images();
    images_.add(full, batch.compressed_images(), labels.subspan(index(first), index(count)));
  }

  /// Those of the batch before, if they are of the same kind.
  void make_caches(const ReplayModes& modes) {
    if (caches_ != nullptr && caches_->modes() == modes) return;
    caches_.reset();  // before there are others: both may not fit
    caches_ = std::make_unique<ReplayCaches>(engine_, *factory_, plan_, modes);
  }

  [[nodiscard]] std::int64_t head_stride() const {
    const std::int64_t heads = std::int64_t{engine_.model().layers} * engine_.model().kv_heads;
    return (heads + kMostKeptHeads - 1) / kMostKeptHeads;
  }

  ReplayOutcome outcome(const Stopwatch& watch) {
    ReplayOutcome outcome;
    ReplayResult& result = outcome.result;
    result.method = plan_.method;
    result.parameters = plan_.parameters;
    result.model = engine_.model();
    result.steps = engine_.steps();
    for (std::int64_t i = 0; i < samples_; ++i) {
      result.samples.push_back(
          {.sample = options_.request.sample_ids[index(i)], .label = options_.request.labels[index(i)]});
    }
    if (record_.teacher_forced) result.teacher_forced = summarise(*record_.teacher_forced, engine_.steps());
    if (record_.free_running) summarise_free_running(result);
    result.cache = cache_bytes();
    if (options_.keep_images && options_.free_running) outcome.images = kept_images();
    result.process_peak_bytes = peak_process_bytes();
    result.device = device_bytes();
    result.seconds = seconds(watch);
    return outcome;
  }

  void summarise_free_running(ReplayResult& result) const {
    FreeRunningReplay run;
    static_cast<ReplayMode&>(run) = summarise(*record_.free_running, engine_.steps());
    images_.summarise(result.samples, run);
    const std::vector<double> agreement = over_tokens(record_.free_running->token_agreement, engine_.steps());
    for (std::int64_t i = 0; i < samples_; ++i) result.samples[index(i)].token_agreement = agreement[index(i)];
    result.free_running = std::move(run);
  }

  [[nodiscard]] ReplayCacheBytes cache_bytes() const {
    const std::int64_t count = std::min(options_.batch, samples_);
    Plan of_run = plan_;
    of_run.model = engine_.model();
    const PlanTotals totals = plan_totals(of_run);
    ReplayCacheBytes bytes = record_.cache;
    bytes.published_bytes = totals.published_bytes * count;
    bytes.full_bytes = totals.full_bytes * count;
    bytes.lossless_bytes = totals.lossless_bytes * count;
    bytes.predicted_bytes = totals.allocated_bytes_of(count);
    return bytes;
  }

  [[nodiscard]] std::optional<ReplayDeviceBytes> device_bytes() const {
    const auto use = device_memory_use(engine_.device());
    if (!use) return std::nullopt;
    ReplayDeviceBytes bytes = record_.device.value_or(ReplayDeviceBytes{});
    bytes.name = name_of(engine_.device());
    bytes.total_bytes = use->total_bytes;
    bytes.used_bytes = use->used_bytes;
    bytes.reserved_peak_bytes = use->reserved_peak_bytes;
    bytes.allocated_peak_bytes = use->allocated_peak_bytes;
    return bytes;
  }

  [[nodiscard]] ReplayImages kept_images() {
    ReplayImages images = images_.images();
    images.prompts = prompts_of_samples(options_.request.text.get(), options_.request.labels);
    images.kept = std::move(kept_);
    std::ranges::sort(images.kept, {},
                      [](const KeptPositions& kept) { return std::tuple(kept.layer, kept.head, kept.step); });
    return images;
  }

  [[nodiscard]] ReplaySeconds seconds(const Stopwatch& watch) const {
    ReplaySeconds seconds = record_.seconds;
    for (const ReplayStepSeconds& step : seconds.steps) {
      seconds.generation_full += step.full;
      seconds.generation_compressed += step.compressed;
    }
    seconds.evaluation = images_.evaluation_seconds();
    seconds.total = watch.seconds();
    return seconds;
  }

  const Engine& engine_;
  const Plan& plan_;
  const ReplayOptions& options_;
  std::shared_ptr<const CacheFactory> factory_;
  std::unique_ptr<ReplayCaches> caches_;
  std::int64_t samples_;
  ReplayRecord record_;
  ImageComparison images_;
  std::vector<KeptPositions> kept_;
};

}  // namespace

ReplayOutcome run_replay(const Engine& engine, const Plan& plan, std::string_view plan_name,
                         const ReplayOptions& options) {
  check_options(engine, options);
  check_plan_fits(engine, plan, plan_name);
  return Replay(engine, plan, options).run();
}

}  // namespace kvscope
