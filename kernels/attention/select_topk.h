#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Indices of the `k` largest scores in ascending order of index; among equal scores the lower index
/// wins, and -0 equals +0. Not-a-number ranks below everything.
/// @param k  clipped to 0 .. the number of scores
/// Cost: O(n) on average: one pass that turns scores into integers of the same order, passes that narrow down
/// where the k-th largest lies (each keeps about a quarter), one that writes the indices; all of them vectorised.
/// Reference: select_topk_reference(); equal to it in every case.
[[nodiscard]] std::vector<std::int32_t> select_topk(std::span<const float> scores, std::int64_t k);

}  // namespace kvscope
