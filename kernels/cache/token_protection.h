#pragma once

#include "classifiers/plan/retention_rule.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Which candidates stay before any score is asked: 1 where protected, at most `budget` of them.
///
/// If the protected ones are more than the budget, the sets of `slot.gives_way` give way in that order, each
/// from its oldest token on, until they fit; a candidate loses protection with the last set that holds it.
/// @param source_step  [n] step that each candidate comes from; candidates in token order
/// @param step         the step being processed
[[nodiscard]] std::vector<std::uint8_t> protected_tokens(const ProtectSlot& slot,
                                                         std::span<const std::int32_t> source_step, int step,
                                                         std::int64_t budget);

}  // namespace kvscope
