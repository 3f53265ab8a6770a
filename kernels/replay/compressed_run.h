#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "kernels/cache/planned_kv_cache.h"
#include "kernels/replay/cache_ledger.h"
#include "kernels/replay/replay_caches.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace kvscope {

/// The run of one batch with a plan's compressed cache, step by step.
class CompressedRun {
 public:
  /// @param cache    of this plan; outlives this object
  /// @param request  of this batch
  CompressedRun(const Engine& engine, PlannedKvCache& cache, const Plan& plan, const GenerationRequest& request);
  /// Compares the outputs of attention with those of a full run, which has to be one step ahead.
  CompressedRun(const Engine& engine, ComparedCache& cache, const Plan& plan, const GenerationRequest& request);

  /// Runs a step; its tokens are replaced by `forced_tokens` where given. Checks the ledger.
  [[nodiscard]] StepOutcome advance(const std::optional<at::Tensor>& forced_tokens);

  /// Of the latest step; only of a ComparedCache.
  [[nodiscard]] const OutputComparison& comparison() const { return *comparison_; }
  [[nodiscard]] const PlannedKvCache& cache() const noexcept { return *cache_; }
  [[nodiscard]] GenerationSession& session() noexcept { return *session_; }
  /// Of the latest step, without what the comparison took.
  [[nodiscard]] double step_seconds() const noexcept { return step_seconds_; }
  [[nodiscard]] std::int64_t peak_bytes() const noexcept { return peak_bytes_; }
  /// The figures of the cache, of a run on a GPU; of the first batch of its number of rows, for which the cache was
  /// made.
  [[nodiscard]] std::optional<ReplayDeviceBytes> device_bytes() const;

 private:
  CompressedRun(const Engine& engine, PlannedKvCache& cache, OutputComparison* comparison, const Plan& plan,
                const GenerationRequest& request);
  /// Makes the cache's memory, where it has none of that size, and notes what the allocator says of it.
  void begin(const Engine& engine, std::int64_t rows);
  [[nodiscard]] double compared_seconds() const {
    return comparison_ == nullptr ? 0.0 : comparison_->comparison_seconds();
  }
  [[nodiscard]] KvCache& attended_cache() {
    return comparison_ == nullptr ? static_cast<KvCache&>(*cache_) : static_cast<KvCache&>(*comparison_);
  }

  CacheLedger ledger_;
  PlannedKvCache* cache_;
  OutputComparison* comparison_;  ///< passes on to cache_; nullptr: nothing is compared
  std::unique_ptr<GenerationSession> session_;
  double step_seconds_ = 0.0;
  std::int64_t peak_bytes_ = 0;
  std::optional<ReplayDeviceBytes> made_;  ///< the allocator's figures of begin()
};

}  // namespace kvscope
