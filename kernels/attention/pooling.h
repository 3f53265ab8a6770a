#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// result[j] = max of scores[i] over |i - j| <= (width - 1) / 2; beyond the edges there is nothing (-infinity).
/// @param width  odd, >= 1
/// Cost: n * width comparisons.
[[nodiscard]] std::vector<float> pool_maximum(std::span<const float> scores, std::int64_t width);

/// result[j] = mean of scores[i] over |i - j| <= (width - 1) / 2; beyond the edges there is nothing: the sum, in
/// ascending order and in double precision, is divided by the number of neighbours that exist.
/// @param width  odd, >= 1
/// Cost: n * width additions.
[[nodiscard]] std::vector<float> pool_average(std::span<const float> scores, std::int64_t width);

}  // namespace kvscope
