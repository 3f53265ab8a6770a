#include "kernels/replay/lockstep.h"

#include "analysis/divergence.h"
#include "classifiers/plan/accounting.h"
#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/device_memory.h"

#include <algorithm>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::int64_t batch_rows(const Engine& engine, const GenerationRequest& request) {
  return rows_per_sample(engine.model()) * static_cast<std::int64_t>(request.labels.size());
}

/// Keeps a sum of what is there.
void add(std::optional<double>& sum, const std::optional<double>& seconds) {
  if (seconds) sum = sum.value_or(0.0) + *seconds;
}

/// Share of equal tokens of one sample; of tokens that are words of bits the share of equal bits.
double token_agreement(const StepOutcome& full, const StepOutcome& compressed, std::int64_t sample) {
  const std::int64_t count = full.tokens.numel() / full.tokens.size(0);
  const std::int64_t* left = full.tokens.const_data_ptr<std::int64_t>() + sample * count;
  const std::int64_t* right = compressed.tokens.const_data_ptr<std::int64_t>() + sample * count;
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < count; ++i) equal += left[i] == right[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(count);
}

/// Mean over the tokens of one sample; the variables of a token are independent, so their divergences add up.
double mean_divergence(const StepOutcome& full, const StepOutcome& compressed, std::int64_t sample) {
  const std::int64_t vocabulary = full.logits.numel() / full.tokens.numel();
  const std::int64_t variables = full.tokens.numel() / full.tokens.size(0);
  double sum = 0.0;
  for (std::int64_t i = sample * variables; i < (sample + 1) * variables; ++i) {
    const std::span p(full.logits.const_data_ptr<float>() + i * vocabulary, index(vocabulary));
    const std::span q(compressed.logits.const_data_ptr<float>() + i * vocabulary, index(vocabulary));
    sum += kl_divergence(p, q);
  }
  return sum / static_cast<double>(full.tokens.size(1));
}

}  // namespace

CompressedRun::CompressedRun(const Engine& engine, const CacheFactory& caches, const Plan& plan,
                             const GenerationRequest& request, const OutputRecorder& reference, AttendedRecord record)
    : ledger_(cache_ledger(plan, engine.model(), static_cast<std::int64_t>(request.labels.size()))),
      cache_(caches.compressed(plan, engine.model(), record)),
      comparison_(*cache_, reference, engine.model().layers, static_cast<std::int64_t>(request.labels.size())),
      session_(engine.start(request)) {
  begin(engine, batch_rows(engine, request));
}

void CompressedRun::begin(const Engine& engine, std::int64_t rows) {
  const auto before = device_memory_use(engine.device());
  comparison_.begin(rows);
  const auto after = device_memory_use(engine.device());
  if (!before || !after) return;
  made_.emplace();
  made_->cache_requested_bytes = after->requested_bytes - before->requested_bytes;
  made_->cache_overhead_bytes = cache_->overhead_bytes();
  made_->unexplained_bytes = made_->cache_requested_bytes - cache_->allocated_bytes() - made_->cache_overhead_bytes;
}

std::optional<ReplayDeviceBytes> CompressedRun::device_bytes() const {
  std::optional<ReplayDeviceBytes> bytes = made_;
  if (bytes) bytes->cache_workspace_bytes = cache_->overhead_bytes() - bytes->cache_overhead_bytes;
  return bytes;
}

StepOutcome CompressedRun::advance(const std::optional<at::Tensor>& forced_tokens) {
  const double compared_before = comparison_.comparison_seconds();
  const Stopwatch watch;
  StepOutcome outcome = session_->advance(comparison_, forced_tokens);
  step_seconds_ = watch.seconds() - (comparison_.comparison_seconds() - compared_before);
  const std::int64_t held = cache_->held_bytes();
  check_held(ledger_, outcome.step, held);
  check_allocated(ledger_, cache_->allocated_bytes());
  peak_bytes_ = std::max(peak_bytes_, held);
  return outcome;
}

Lockstep::Lockstep(const Engine& engine, const CacheFactory& caches, const Plan& plan, const GenerationRequest& request,
                   std::int64_t first_sample, AttendedRecord attended, ReplayRecord& record)
    : engine_(engine),
      first_sample_(first_sample),
      samples_(static_cast<std::int64_t>(request.labels.size())),
      record_(record),
      full_cache_(caches.full(engine.model(), engine.steps())),
      full_recorder_(*full_cache_, engine.model().layers),
      full_session_(engine.start(request)) {
  full_recorder_.begin(batch_rows(engine, request));
  if (record.free_running) free_running_.emplace(engine, caches, plan, request, full_recorder_, attended);
  if (record.teacher_forced) {
    teacher_forced_.emplace(engine, caches, plan, request, full_recorder_, AttendedRecord::kNone);
  }
}

void Lockstep::advance() {
  const Stopwatch watch;
  const StepOutcome full = full_session_->advance(full_recorder_);
  step_ = full.step;
  ReplayStepSeconds& seconds = record_.seconds.steps[index(step_)];
  seconds.full += watch.seconds();
  full_peak_bytes_ = std::max(full_peak_bytes_, full_cache_->held_bytes());
  if (free_running_) compare(*free_running_, full, free_running_->advance(std::nullopt), *record_.free_running);
  if (teacher_forced_) compare(*teacher_forced_, full, teacher_forced_->advance(full.tokens), *record_.teacher_forced);
  seconds.compressed += timed_run().step_seconds();
}

void Lockstep::compare(CompressedRun& run, const StepOutcome& full, const StepOutcome& compressed,
                       ModeMeasurements& measured) const {
  parallel_for(samples_, [&](std::int64_t sample) {
    const std::int64_t at = first_sample_ + sample;
    measured.token_agreement(full.step, at) = token_agreement(full, compressed, sample);
    measured.kl(full.step, at) = mean_divergence(full, compressed, sample);
  });
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
  if (rows <= bytes.rows) return;
  bytes.rows = rows;
  record_.device = run.device_bytes();
  bytes.allocated_bytes = run.cache().allocated_bytes();
  bytes.peak_bytes = run.peak_bytes();
  bytes.baseline_allocated_bytes = full_cache_->allocated_bytes();
  bytes.baseline_peak_bytes = full_peak_bytes_;
  bytes.text_bytes = full_session_->text_bytes();
}

Array<std::uint8_t> Lockstep::decoded(GenerationSession& session) {
  const Stopwatch watch;
  const at::Tensor images = session.images().contiguous();
  record_.seconds.decoding += watch.seconds();
  const std::uint8_t* pixels = images.const_data_ptr<std::uint8_t>();
  return {Shape(images.sizes().begin(), images.sizes().end()), {pixels, pixels + images.numel()}};
}

Array<std::uint8_t> Lockstep::full_images() {
  return decoded(*full_session_);
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
