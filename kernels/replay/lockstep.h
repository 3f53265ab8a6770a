#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/array.h"
#include "collectors/models/engine.h"
#include "kernels/cache/cache_factory.h"
#include "kernels/replay/compressed_run.h"
#include "kernels/replay/full_run.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_measurements.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace kvscope {

/// Both comparisons' figures of all samples, and what the run cost; filled batch by batch.
struct ReplayRecord {
  std::optional<ModeMeasurements> free_running;
  std::optional<ModeMeasurements> teacher_forced;
  ReplaySeconds seconds;
  ReplayCacheBytes cache;                   ///< measured fields only, of the largest batch
  std::optional<ReplayDeviceBytes> device;  ///< figures of the cache, of the largest batch
};

/// A full run of one batch and its compressed ones, advanced step by step side by side.
class Lockstep {
 public:
  /// @param request       of this batch
  /// @param first_sample  its place among all samples of the record
  /// @param attended      whether append_kept_positions() will be called
  Lockstep(const Engine& engine, const CacheFactory& caches, const Plan& plan, const GenerationRequest& request,
           std::int64_t first_sample, AttendedRecord attended, ReplayRecord& record);

  [[nodiscard]] bool done() const { return full_.done(); }
  /// One step of every run, compared and written to the record.
  void advance();
  /// After the last step: ledger, bytes and phases go to the record.
  void finish();

  /// [batch, height, width, 3]; the compressed images are those of the free-running mode, which must be on.
  [[nodiscard]] Array<std::uint8_t> full_images();
  [[nodiscard]] Array<std::uint8_t> compressed_images();
  /// What the conditional row of the first sample attended to in the step just done, for every n-th head.
  void append_kept_positions(std::int64_t head_stride, std::vector<KeptPositions>& kept) const;

 private:
  void compare(CompressedRun& run, const StepOutcome& full, const StepOutcome& compressed,
               ModeMeasurements& measured) const;
  [[nodiscard]] CompressedRun& timed_run() { return free_running_ ? *free_running_ : *teacher_forced_; }
  [[nodiscard]] Array<std::uint8_t> decoded(GenerationSession& session);

  const Engine& engine_;
  std::int64_t first_sample_;
  std::int64_t samples_;
  ReplayRecord& record_;
  FullRun full_;
  std::optional<CompressedRun> free_running_;
  std::optional<CompressedRun> teacher_forced_;
  int step_ = 0;
};

}  // namespace kvscope
