#include "kernels/attention/select_topk_reference.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {

std::vector<std::int32_t> select_topk_reference(std::span<const float> scores, std::int64_t k) {
  std::vector<std::int32_t> indices(scores.size());
  std::iota(indices.begin(), indices.end(), 0);
  std::ranges::stable_sort(indices, [&](std::int32_t a, std::int32_t b) {
    const float left = scores[static_cast<std::size_t>(a)];
    const float right = scores[static_cast<std::size_t>(b)];
    if (std::isnan(left) || std::isnan(right)) return !std::isnan(left) && std::isnan(right);
    return left > right;
  });
  indices.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(k, 0, static_cast<std::int64_t>(scores.size()))));
  std::ranges::sort(indices);
  return indices;
}

}  // namespace kvscope
