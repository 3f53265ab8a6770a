#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/cache_ledger.h"
#include "kernels/replay/output_probe.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace kvscope {

/// The run of one batch with a plan's compressed cache, step by step.
class CompressedRun {
 public:
  /// @param request    of this batch
  /// @param reference  the full run's outputs, one step ahead, to compare those of attention with; nullptr: compare
  /// none
  CompressedRun(const Engine& engine, const CacheFactory& caches, const Plan& plan, const GenerationRequest& request,
                const OutputRecorder* reference, AttendedRecord record);

  /// Runs a step; its tokens are replaced by `forced_tokens` where given. Checks the ledger.
  [[nodiscard]] StepOutcome advance(const std::optional<at::Tensor>& forced_tokens);

  /// Of the latest step; only with a reference.
  [[nodiscard]] const OutputComparison& comparison() const { return comparison_.value(); }
  [[nodiscard]] const PlannedKvCache& cache() const noexcept { return *cache_; }
  [[nodiscard]] GenerationSession& session() noexcept { return *session_; }
  /// Of the latest step, without what the comparison took.
  [[nodiscard]] double step_seconds() const noexcept { return step_seconds_; }
  [[nodiscard]] std::int64_t peak_bytes() const noexcept { return peak_bytes_; }
  /// The figures of the cache, of a run on a GPU.
  [[nodiscard]] std::optional<ReplayDeviceBytes> device_bytes() const;

 private:
  /// Makes the cache's memory and notes what the allocator says of it.
  void begin(const Engine& engine, std::int64_t rows);
  [[nodiscard]] double compared_seconds() const { return comparison_ ? comparison_->comparison_seconds() : 0.0; }
  [[nodiscard]] KvCache& attended_cache() {
    return comparison_ ? static_cast<KvCache&>(*comparison_) : static_cast<KvCache&>(*cache_);
  }

  CacheLedger ledger_;
  std::unique_ptr<PlannedKvCache> cache_;
  std::optional<OutputComparison> comparison_;
  std::unique_ptr<GenerationSession> session_;
  double step_seconds_ = 0.0;
  std::int64_t peak_bytes_ = 0;
  std::optional<ReplayDeviceBytes> made_;  ///< the allocator's figures of begin()
};

}  // namespace kvscope
