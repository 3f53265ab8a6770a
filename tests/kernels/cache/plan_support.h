#pragma once

#include "classifiers/plan/plan.h"

#include <cstdint>

namespace kvscope::testing {

/// A small model for plans made in code.
struct SmallModel {
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 16;
};

/// Every head attends to about `attend` tokens and carries about `carry` (head h: h more of each), clipped to what
/// is there, by one rule.
[[nodiscard]] Plan small_plan(const SmallModel& model, const StepTable& steps, const RetentionRule& rule,
                              std::int64_t attend, std::int64_t carry, bool keeps_last_step = false);

/// Has every head whose number is `first_head` or larger store 8-bit codes for values of some four deviations.
void quantise_heads(Plan& plan, int first_head);

}  // namespace kvscope::testing
