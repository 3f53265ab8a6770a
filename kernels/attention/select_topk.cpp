#include "kernels/attention/select_topk.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {

std::vector<std::int32_t> select_topk(std::span<const float> scores, std::int64_t k) {
  std::vector<std::int32_t> indices(scores.size());
  std::iota(indices.begin(), indices.end(), 0);
  k = std::clamp<std::int64_t>(k, 0, static_cast<std::int64_t>(scores.size()));
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float left = scores[static_cast<std::size_t>(a)];
    const float right = scores[static_cast<std::size_t>(b)];
    if (std::isnan(left) != std::isnan(right)) return std::isnan(right);
    if (left == right || std::isnan(left)) return a < b;
    return left > right;
  };
  std::nth_element(indices.begin(), indices.begin() + k, indices.end(), before);
  indices.resize(static_cast<std::size_t>(k));
  std::ranges::sort(indices);
  return indices;
}

}  // namespace kvscope
