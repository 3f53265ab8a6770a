#pragma once

#include "collectors/base/array.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <vector>

namespace kvscope {

/// What planners take from calibration samples, per key/value head: how much attention keys get at each step (HACK++,
/// arXiv 2606.08302, section "structural score"), how much of it history will still get later (section "adaptive
/// budgets"), and how much keys get later (ours). All from conditional rows.
///
/// With abar_k[j] the attention that key j gets at step k, mean over queries and calibration samples, and
/// over the query heads that share the key/value head:
struct AttentionCalibration {
  /// phi^(k,s) = mean over the tokens j of step s of abar_k[j]; [layer, kv_head, step k, source step s],
  /// 0 where step k does not see s. Unit: attention per key, in [0, 1].
  Array<float> prior;
  /// Phi^(k,s) = mean over the steps k' > k of phi^(k',s); at the last step, after which nobody comes, phi^(k,s)
  /// itself. Shape and unit of `prior`.
  Array<float> look_ahead;
  /// gamma^(k) = sum over k' > k of the mean of abar_k'[j] over the keys j that k' sees of earlier steps;
  /// [layer, kv_head, step k]; 0 at the last step.
  Array<double> future;
};

/// Mean attention mass per source step, from which both figures follow: mass(l, h, s), S_k entries in the
/// order of steps.sources(k), for the query heads of one step.
using SourceMass = Array<double>;  // [layer, head, S_k]

/// The figures from the mean mass on each source step.
/// @param mass  [K] of [layer, head, S_k]: sum over the tokens j of each visible step of abar_k[j]
[[nodiscard]] AttentionCalibration calibrate_attention(const ModelInfo& model, const StepTable& steps,
                                                       const std::vector<SourceMass>& mass);

}  // namespace kvscope
