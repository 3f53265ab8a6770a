#include "kernels/replay/full_run.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/stopwatch.h"

#include <algorithm>

namespace kvscope {

std::int64_t batch_rows(const ModelInfo& model, const GenerationRequest& request) {
  return rows_per_sample(model) * static_cast<std::int64_t>(request.labels.size());
}

FullRun::FullRun(const Engine& engine, const CacheFactory& caches, const GenerationRequest& request)
    : cache_(caches.full(engine.model(), engine.steps())),
      recorder_(*cache_, engine.model().layers),
      session_(engine.start(request)) {
  recorder_.begin(batch_rows(engine.model(), request));
}

StepOutcome FullRun::advance() {
  const Stopwatch watch;
  StepOutcome outcome = session_->advance(recorder_);
  step_seconds_ = watch.seconds();
  peak_bytes_ = std::max(peak_bytes_, cache_->held_bytes());
  return outcome;
}

}  // namespace kvscope
