#include "kernels/replay/lockstep.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/stopwatch.h"
#include "kernels/replay/generated_images.h"
#include "kernels/replay/step_comparison.h"

#include <algorithm>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Keeps a sum of what is there.
void add(std::optional<double>& sum, const std::optional<double>& seconds) {
  if (seconds) sum = sum.value_or(0.0) + *seconds;
}

}  // namespace

Lockstep::Lockstep(const Engine& engine, ReplayCaches& caches, const Plan& plan, const GenerationRequest& request,
                   std::int64_t first_sample, ReplayRecord& record)
    : engine_(engine),
      first_sample_(first_sample),
      samples_(static_cast<std::int64_t>(request.labels.size())),
      record_(record),
      full_(engine, caches.recorder(), request) {
  if (caches.free_running()) free_running_.emplace(engine, *caches.free_running(), plan, request);
  if (caches.teacher_forced()) teacher_forced_.emplace(engine, *caches.teacher_forced(), plan, request);
}

void Lockstep::advance() {
  const StepOutcome full = full_.advance();
  step_ = full.step;
  ReplayStepSeconds& seconds = record_.seconds.steps[index(step_)];
  seconds.full += full_.step_seconds();
  if (free_running_) compare(*free_running_, full, free_running_->advance(std::nullopt), *record_.free_running);
  if (teacher_forced_) compare(*teacher_forced_, full, teacher_forced_->advance(full.tokens), *record_.teacher_forced);
  seconds.compressed += timed_run().step_seconds();
}

void Lockstep::compare(CompressedRun& run, const StepOutcome& full, const StepOutcome& compressed,
                       ModeMeasurements& measured) const {
  compare_step(full, compressed, first_sample_, measured);
  for (int layer = 0; layer < engine_.model().layers; ++layer) {
    const Array<double> errors = run.comparison().errors(layer);
    for (std::int64_t head = 0; head < errors.extent(0); ++head) {
      std::ranges::copy(errors.slice(head),
                        measured.output_error.slice(full.step, layer, head).begin() + first_sample_);
    }
  }
}

void Lockstep::finish() {
  CompressedRun& run = timed_run();
  add(record_.seconds.attention, run.cache().attention_seconds());
  add(record_.seconds.selection, run.cache().selection_seconds());
  const std::int64_t rows = rows_per_sample(engine_.model()) * samples_;
  ReplayCacheBytes& bytes = record_.cache;
  const StoredCodes codes = run.cache().stored_codes();
  bytes.codes += codes.elements;
  bytes.saturated_codes += codes.saturated;
  if (rows <= bytes.rows) return;
  bytes.rows = rows;
  record_.device = run.device_bytes();
  bytes.allocated_bytes = run.cache().allocated_bytes();
  bytes.peak_bytes = run.peak_bytes();
  bytes.baseline_allocated_bytes = full_.allocated_bytes();
  bytes.baseline_peak_bytes = full_.peak_bytes();
  bytes.text_bytes = full_.session().text_bytes();
}

Array<std::uint8_t> Lockstep::decoded(GenerationSession& session) {
  const Stopwatch watch;
  Array<std::uint8_t> images = generated_images(session);
  record_.seconds.decoding += watch.seconds();
  return images;
}

Array<std::uint8_t> Lockstep::full_images() {
  return decoded(full_.session());
}
Array<std::uint8_t> Lockstep::compressed_images() {
  return decoded(free_running_.value().session());
}

void Lockstep::append_kept_positions(std::int64_t head_stride, std::vector<KeptPositions>& kept) const {
  const ModelInfo& model = engine_.model();
  for (std::int64_t i = 0; i < std::int64_t{model.layers} * model.kv_heads; i += head_stride) {
    const int layer = static_cast<int>(i / model.kv_heads);
    const int head = static_cast<int>(i % model.kv_heads);
    kept.push_back({.layer = layer,
                    .head = head,
                    .step = step_,
                    .positions = free_running_.value().cache().attended_positions(layer, 0, head)});
  }
}

}  // namespace kvscope
