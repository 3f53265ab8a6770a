#pragma once

#include "collectors/models/engine.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/output_probe.h"

#include <cstdint>
#include <memory>

namespace kvscope {

/// Sequences of a batch: two per sample under guidance.
[[nodiscard]] std::int64_t batch_rows(const ModelInfo& model, const GenerationRequest& request);

/// The run of one batch with the full cache: what compressed runs are compared with.
class FullRun {
 public:
  /// @param request  of this batch
  FullRun(const Engine& engine, const CacheFactory& caches, const GenerationRequest& request);

  [[nodiscard]] bool done() const { return session_->done(); }
  [[nodiscard]] StepOutcome advance();

  /// Of attention in the latest step.
  [[nodiscard]] const OutputRecorder& outputs() const noexcept { return recorder_; }
  [[nodiscard]] GenerationSession& session() noexcept { return *session_; }
  /// Of the latest step.
  [[nodiscard]] double step_seconds() const noexcept { return step_seconds_; }
  [[nodiscard]] std::int64_t allocated_bytes() const { return cache_->allocated_bytes(); }
  [[nodiscard]] std::int64_t peak_bytes() const noexcept { return peak_bytes_; }

 private:
  std::unique_ptr<KvCache> cache_;
  OutputRecorder recorder_;
  std::unique_ptr<GenerationSession> session_;
  double step_seconds_ = 0.0;
  std::int64_t peak_bytes_ = 0;
};

}  // namespace kvscope
