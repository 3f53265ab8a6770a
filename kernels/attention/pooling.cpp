#include "kernels/attention/pooling.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

/// result[j] = pool(the neighbours of j that exist).
template <typename Pool>
std::vector<float> pooled(std::span<const float> scores, std::int64_t width, Pool pool) {
  require(width >= 1 && width % 2 == 1, "pooling: the width must be odd and at least 1");
  const std::int64_t reach = (width - 1) / 2;
  const auto n = static_cast<std::int64_t>(scores.size());
  std::vector<float> result(scores.size());
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t begin = std::max<std::int64_t>(0, j - reach);
    const std::int64_t end = std::min(n, j + reach + 1);
    result[static_cast<std::size_t>(j)] =
        pool(scores.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }
  return result;
}

}  // namespace

std::vector<float> pool_maximum(std::span<const float> scores, std::int64_t width) {
  return pooled(scores, width, [](std::span<const float> window) { return std::ranges::max(window); });
}

std::vector<float> pool_average(std::span<const float> scores, std::int64_t width) {
  return pooled(scores, width, [](std::span<const float> window) {
    return static_cast<float>(std::accumulate(window.begin(), window.end(), 0.0) / static_cast<double>(window.size()));
  });
}

}  // namespace kvscope
