#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/gpu/activity_recorder.h"
#include "collectors/models/engine.h"
#include "kernels/profile/profile_result.h"

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace kvscope {

/// What the full cache attends with.
enum class FullAttention {
  kBundled,  ///< kvscope's own kernels, as in replay
  kLibrary,  ///< LibTorch's, as in collect
};

/// What to profile, and how.
struct ProfileOptions {
  GenerationRequest request;   ///< all samples of the run, not only one batch
  std::int64_t batch = 8;      ///< samples generated together, >= 1
  int warm_up = 1;             ///< times that the first batch is generated before anything is recorded
  int repetitions = 1;         ///< times that all samples are generated and recorded
  const Plan* plan = nullptr;  ///< nullptr: the full cache
  std::string_view plan_name;  ///< the plan's file, for messages
  FullAttention attention = FullAttention::kBundled;  ///< of the full cache
  HeadTimeMode heads = HeadTimeMode::kModel;
  bool measure_overhead = false;  ///< every batch also without recording, alternating
  /// Of an engine on a GPU: recording already, from before the engine was loaded; nullptr: the host's clock alone.
  ActivityRecorder* device = nullptr;
  std::string device_note;  ///< why there is no `device`, in one line
  std::ostream* progress = nullptr;
};

/// Generates samples as any run does and records where the time goes. `run` and `made_from` of the result are the
/// caller's to fill in. A signal ends it early: the result then says `interrupted` and holds what was recorded.
///
/// @throws Error  kBadInput if the plan was made for another model or other steps; kEnvironment for
///                isolated heads on a GPU (they are measured on the CPU) or a device that cannot be computed on.
[[nodiscard]] ProfileResult run_profile(const Engine& engine, const ProfileOptions& options);

}  // namespace kvscope
