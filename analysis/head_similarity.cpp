#include "analysis/head_similarity.h"

#include "collectors/base/parallel.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace kvscope {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

/// 1 / |a|; 0 for what has no direction.
double inverse_length(std::span<const float> a) {
  const double square = dot(a, a);
  return square > 0.0 && std::isfinite(square) ? 1.0 / std::sqrt(square) : 0.0;
}

}  // namespace

std::vector<std::vector<SimilarHead>> most_similar_heads(const Array<float>& vectors, int count) {
  require(vectors.shape().size() == 2, "most_similar_heads: vectors are [heads, values]");
  const std::int64_t n_head = vectors.extent(0);
  std::vector<double> inverse;
  for (std::int64_t head = 0; head < n_head; ++head) inverse.push_back(inverse_length(vectors.slice(head)));

  std::vector<std::vector<SimilarHead>> result(static_cast<std::size_t>(n_head));
  parallel_for(n_head, [&](std::int64_t head) {
    std::vector<SimilarHead> others;
    const double own = inverse[static_cast<std::size_t>(head)];
    for (std::int64_t other = 0; other < n_head; ++other) {
      if (other == head) continue;
      const double both = own * inverse[static_cast<std::size_t>(other)];
      const double cosine = both > 0.0 ? dot(vectors.slice(head), vectors.slice(other)) * both : 0.0;
      others.push_back({other, std::clamp(cosine, -1.0, 1.0)});
    }
    std::ranges::stable_sort(others, std::ranges::greater(), &SimilarHead::cosine);
    if (std::ssize(others) > count) others.resize(static_cast<std::size_t>(std::max(count, 0)));
    result[static_cast<std::size_t>(head)] = std::move(others);
  });
  return result;
}

}  // namespace kvscope
