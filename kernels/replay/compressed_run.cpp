#include "kernels/replay/compressed_run.h"

#include "collectors/base/stopwatch.h"
#include "collectors/models/device_memory.h"
#include "kernels/replay/full_run.h"

#include <algorithm>

namespace kvscope {

CompressedRun::CompressedRun(const Engine& engine, const CacheFactory& caches, const Plan& plan,
                             const GenerationRequest& request, const OutputRecorder* reference, AttendedRecord record)
    : ledger_(cache_ledger(plan, engine.model(), static_cast<std::int64_t>(request.labels.size()))),
      cache_(caches.compressed(plan, engine.model(), record)),
      session_(engine.start(request)) {
  if (reference != nullptr) {
    comparison_.emplace(*cache_, *reference, engine.model().layers, static_cast<std::int64_t>(request.labels.size()));
  }
  begin(engine, batch_rows(engine.model(), request));
}

void CompressedRun::begin(const Engine& engine, std::int64_t rows) {
  const auto before = device_memory_use(engine.device());
  attended_cache().begin(rows);
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
  const double compared_before = compared_seconds();
  const Stopwatch watch;
  StepOutcome outcome = session_->advance(attended_cache(), forced_tokens);
  step_seconds_ = watch.seconds() - (compared_seconds() - compared_before);
  const std::int64_t held = cache_->held_bytes();
  check_held(ledger_, outcome.step, held);
  check_allocated(ledger_, cache_->allocated_bytes());
  peak_bytes_ = std::max(peak_bytes_, held);
  return outcome;
}

}  // namespace kvscope
