#include "kernels/compare/sample_set.h"

#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/progress.h"
#include "collectors/models/request_part.h"
#include "kernels/replay/compressed_run.h"
#include "kernels/replay/full_run.h"
#include "kernels/replay/generated_images.h"
#include "kernels/replay/step_comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kvscope {
namespace {

std::int64_t bytes_of(const StepOutcome& outcome) {
  return static_cast<std::int64_t>(outcome.logits.nbytes() + outcome.tokens.nbytes());
}

void check_finite(const TokenMeasurements& measured) {
  if (std::ranges::all_of(measured.kl.values(), [](double kl) { return std::isfinite(kl); })) return;
  throw bad_input("the KL of a sample is no finite number: the model's logits hold something else than numbers");
}

/// Adds a batch's share to a mean over images.
void add_per_image(std::optional<double>& mean, const std::optional<double>& seconds, std::int64_t images) {
  if (seconds) mean = mean.value_or(0.0) + *seconds / static_cast<double>(images);
}

SampleSetOptions set_options(const CompareRequest& request, const GenerationRequest& samples, std::string name) {
  SampleSetOptions options;
  options.name = std::move(name);
  options.request = samples;
  options.batch = request.batch;
  options.memory = request.memory;
  options.caches = request.caches;
  options.progress = request.progress;
  return options;
}

}  // namespace

SampleSetOptions evaluation_set(const CompareRequest& request) {
  SampleSetOptions options = set_options(request, request.evaluation, "evaluation");
  options.images = true;
  options.evaluator = request.evaluator;
  return options;
}

SampleSetOptions calibration_set(const CompareRequest& request) {
  return set_options(request, request.calibration, "calibration");
}

/// The full run's outcomes one after the other: kept ones, or computed again.
class SampleSet::Reference {
 public:
  Reference(const SampleSet& set, const Batch& batch, const GenerationRequest& request) : batch_(batch) {
    if (!batch.steps.empty()) return;
    cache_ = set.options_.caches->full(set.engine_.model(), set.engine_.steps());
    again_.emplace(set.engine_, *cache_, request);
  }
  [[nodiscard]] StepOutcome next() { return again_ ? again_->advance() : batch_.steps.at(step_++); }

 private:
  const Batch& batch_;
  std::size_t step_ = 0;
  std::unique_ptr<KvCache> cache_;
  std::optional<FullRun> again_;
};

SampleSet::SampleSet(const Engine& engine, SampleSetOptions options)
    : engine_(engine),
      options_(std::move(options)),
      memory_left_(options_.memory),
      images_(options_.evaluator, options_.images) {
  require(size() >= 1 && options_.request.sample_ids.size() == options_.request.labels.size(),
          "SampleSet: one label and one number for each of at least one sample");
  require(options_.batch >= 1, "SampleSet: a batch has at least one sample");
  if (options_.caches == nullptr) options_.caches = caches_for(engine.device());
  Progress progress(options_.name + ", full cache", size(), "samples", options_.progress);
  for (std::int64_t first = 0; first < size(); first += options_.batch) {
    const std::int64_t count = std::min(options_.batch, size() - first);
    run_batch(first, count);
    progress.update(first + count);
  }
  progress.finish();
}

void SampleSet::run_batch(std::int64_t first, std::int64_t count) {
  Batch batch{.first = first, .count = count, .steps = {}};
  const std::unique_ptr<KvCache> cache = options_.caches->full(engine_.model(), engine_.steps());
  FullRun run(engine_, *cache, part_of(options_.request, first, count));
  double seconds = 0.0;
  std::int64_t bytes = 0;
  while (!run.done()) {
    throw_if_interrupted();
    batch.steps.push_back(run.advance());
    bytes += bytes_of(batch.steps.back());
    seconds += run.step_seconds();
  }
  if (bytes <= memory_left_) {
    memory_left_ -= bytes;
  } else {
    batch.steps.clear();
  }
  batches_.push_back(std::move(batch));
  seconds_.push_back(seconds / static_cast<double>(count));
  if (options_.images) images_.add(generated_images(run.session()));
}

std::int64_t SampleSet::kept_batches() const {
  return std::ranges::count_if(batches_, [](const Batch& batch) { return !batch.steps.empty(); });
}

PlanMeasurement SampleSet::measure(const Plan& plan, bool free_running) const {
  require(!free_running || options_.images, "SampleSet: the free-running figures need the full run's images");
  PlanMeasurement measured{.teacher_forced = TokenMeasurements(size(), engine_.steps()),
                           .free_running = std::nullopt,
                           .likeness = {},
                           .images = JudgedImages(options_.evaluator, false),
                           .seconds = {},
                           .attention = std::nullopt,
                           .selection = std::nullopt};
  if (free_running) measured.free_running.emplace(size(), engine_.steps());
  for (const Batch& batch : batches_) measure_batch(batch, plan, measured);
  check_finite(measured.teacher_forced);
  if (measured.free_running) check_finite(*measured.free_running);
  return measured;
}

void SampleSet::measure_batch(const Batch& batch, const Plan& plan, PlanMeasurement& measured) const {
  const GenerationRequest request = part_of(options_.request, batch.first, batch.count);
  Reference reference(*this, batch, request);
  const auto cache = [&] { return options_.caches->compressed(plan, engine_.model(), AttendedRecord::kNone); };
  const std::unique_ptr<PlannedKvCache> forced_cache = cache();
  CompressedRun forced(engine_, *forced_cache, plan, request);
  const std::unique_ptr<PlannedKvCache> free_cache = measured.free_running ? cache() : nullptr;
  std::optional<CompressedRun> free;
  if (free_cache != nullptr) free.emplace(engine_, *free_cache, plan, request);
  CompressedRun& timed = free ? *free : forced;
  double seconds = 0.0;
  for (int step = 0; step < engine_.steps().size(); ++step) {
    throw_if_interrupted();
    const StepOutcome full = reference.next();
    compare_step(full, forced.advance(full.tokens), batch.first, measured.teacher_forced);
    if (free) {
      compare_step(full, free->advance(std::nullopt), batch.first, *measured.free_running);
    }
    seconds += timed.step_seconds();
  }
  measured.seconds.push_back(seconds / static_cast<double>(batch.count));
  add_per_image(measured.attention, timed.cache().attention_seconds(), size());
  add_per_image(measured.selection, timed.cache().selection_seconds(), size());
  measured.allocated_bytes = timed.cache().allocated_bytes() / batch.count;
  measured.peak_bytes = timed.peak_bytes() / batch.count;
  if (!free) return;
  const Array<std::uint8_t> images = generated_images(free->session());
  append_likeness(images_.pixels(batch.first, batch.count), images, measured.likeness);
  measured.images.add(images);
}

}  // namespace kvscope
