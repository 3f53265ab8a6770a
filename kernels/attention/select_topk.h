#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Indices of the `k` largest scores in ascending order of index; among equal scores the lower index
/// wins, and -0 equals +0. Not-a-number ranks below everything.
/// @param k  clipped to the number of scores
/// Cost: O(n) on average, plus sorting the k indices.
[[nodiscard]] std::vector<std::int32_t> select_topk(std::span<const float> scores, std::int64_t k);

}  // namespace kvscope
