#pragma once

#include "classifiers/plan/retention_rule.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// The `budget` candidates that stay, as ascending indices: the protected ones, then the best of the others by
/// score (ties: lower index). All of them if the budget allows.
/// @param scores       [n]
/// @param source_step  [n] step that each candidate comes from; candidates in token order
/// @param step         the step being processed
/// Cost: O(n).
[[nodiscard]] std::vector<std::int32_t> select_tokens(const ProtectSlot& slot, std::span<const float> scores,
                                                      std::span<const std::int32_t> source_step, int step,
                                                      std::int64_t budget);

}  // namespace kvscope
