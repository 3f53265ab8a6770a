#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Indices of the `k` largest scores in ascending order of index; among equal scores the lower index
/// wins, and -0 equals +0. Not-a-number ranks below everything.
/// @param k  clipped to 0 .. the number of scores
/// Cost: O(n): one pass that orders and counts the scores in 2048 bins, one over the bin in which the k-th
/// largest lies, one that writes the indices; all of them vectorised but the counting. If all scores share a
/// bin (a factor of 1.19 apart or less) the middle pass is a quickselect of all of them.
/// Reference: select_topk_reference(); equal to it in every case.
[[nodiscard]] std::vector<std::int32_t> select_topk(std::span<const float> scores, std::int64_t k);

}  // namespace kvscope
