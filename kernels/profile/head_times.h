#pragma once

#include "analysis/phase_times.h"
#include "classifiers/plan/plan.h"
#include "kernels/profile/profile_result.h"

#include <span>

namespace kvscope {

/// Keys that a key/value head attends to at a step; without a plan all that are visible.
[[nodiscard]] std::int64_t attended_keys(const Plan* plan, const StepTable& steps, int step, int layer, int kv_head);

/// Splits the attention time (`wall_seconds`) of every (step, layer) over its heads by their work, 4 * head_dim * N_k *
/// keys; the first three factors are the same for all heads of a layer. The sum over heads is the attention time.
/// @param plan  nullptr: every head attends to everything
[[nodiscard]] HeadTimes modelled_head_times(const ModelInfo& model, const StepTable& steps, const Plan* plan,
                                            std::span<const PhaseTime> times);

}  // namespace kvscope
