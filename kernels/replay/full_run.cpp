#include "kernels/replay/full_run.h"

#include "classifiers/plan/accounting.h"
#include "collectors/base/stopwatch.h"

#include <algorithm>

namespace kvscope {

std::int64_t batch_rows(const ModelInfo& model, const GenerationRequest& request) {
  return rows_per_sample(model) * static_cast<std::int64_t>(request.labels.size());
}

FullRun::FullRun(const Engine& engine, KvCache& cache, const GenerationRequest& request)
    : cache_(&cache), session_(engine.start(request)) {
  cache_->begin(batch_rows(engine.model(), request));
}

StepOutcome FullRun::advance() {
  const Stopwatch watch;
  StepOutcome outcome = session_->advance(*cache_);
  step_seconds_ = watch.seconds();
  peak_bytes_ = std::max(peak_bytes_, cache_->held_bytes());
  return outcome;
}

}  // namespace kvscope
