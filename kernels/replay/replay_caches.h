#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/engine.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/output_probe.h"

#include <memory>
#include <optional>

namespace kvscope {

/// Which compressed runs a replay has, and whether their caches record what they attend to.
struct ReplayModes {
  bool free_running = true;
  bool teacher_forced = true;
  AttendedRecord attended = AttendedRecord::kNone;  ///< of the free-running mode

  bool operator==(const ReplayModes&) const = default;
};

/// The compressed cache of one mode, and what compares its outputs with the full run's.
struct ComparedCache {
  ComparedCache(std::unique_ptr<PlannedKvCache> the_cache, const OutputRecorder& reference, const Engine& engine);

  std::unique_ptr<PlannedKvCache> cache;
  OutputComparison comparison;  ///< through it the engine calls the cache
};

/// The caches of all runs of a replay. They serve batch after batch: what an engine prepares for the memory of a cache
/// (step_graphs.h) is used again.
class ReplayCaches {
 public:
  /// @param engine  outlives this object
  ReplayCaches(const Engine& engine, const CacheFactory& caches, const Plan& plan, const ReplayModes& modes);
  ReplayCaches(const ReplayCaches&) = delete;
  ReplayCaches& operator=(const ReplayCaches&) = delete;

  [[nodiscard]] const ReplayModes& modes() const noexcept { return modes_; }
  [[nodiscard]] const KvCache& full() const noexcept { return *full_; }
  /// Through it the engine calls the full cache.
  [[nodiscard]] OutputRecorder& recorder() noexcept { return recorder_; }
  /// Nothing where the mode is off.
  [[nodiscard]] std::optional<ComparedCache>& free_running() noexcept { return free_running_; }
  [[nodiscard]] std::optional<ComparedCache>& teacher_forced() noexcept { return teacher_forced_; }

 private:
  ReplayModes modes_;
  std::unique_ptr<KvCache> full_;
  OutputRecorder recorder_;
  std::optional<ComparedCache> free_running_;
  std::optional<ComparedCache> teacher_forced_;
};

}  // namespace kvscope
