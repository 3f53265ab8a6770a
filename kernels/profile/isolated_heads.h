#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/element_type.h"
#include "kernels/profile/profile_result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// How a layer attends, as seen in a run.
struct SeenSite {
  std::vector<float> softmax_scale;  ///< one, or one per head
  std::vector<float> logit_bound;    ///< none, or one per head
  ElementType query_type = ElementType::kFloat32;
  ElementType key_type = ElementType::kFloat32;
  ElementType value_type = ElementType::kFloat32;
};

/// Measures the attention of one key/value head at a time with the bundled kernel: its queries, its number of keys,
/// its element types, all rows of a batch, all threads. Time depends on the shape and on whether the logits are
/// bounded, not on the values: heads that agree in them are measured once, with random tensors.
///
/// @param rows     of one batch
/// @param batches  of so many rows in the whole run; may be a fraction
/// @param sites    one per layer
/// @return  `attention_seconds` is the caller's to fill in
/// @throws Error  kInterrupted after a signal.
[[nodiscard]] HeadTimes isolated_head_times(const ModelInfo& model, const StepTable& steps, const Plan* plan,
                                            std::int64_t rows, double batches, std::span<const SeenSite> sites);

}  // namespace kvscope
