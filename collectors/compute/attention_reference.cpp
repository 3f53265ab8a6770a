#include "collectors/compute/attention_reference.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

void softmax(std::span<double> row) {
  const double largest = std::ranges::max(row);
  double sum = 0.0;
  for (double& x : row) sum += x = std::exp(x - largest);
  for (double& x : row) x /= sum;
}

}  // namespace

AttentionReference attention_reference(std::span<const float> queries, std::span<const float> keys,
                                       std::span<const float> values, std::int64_t head_dim, double scale) {
  const auto width = static_cast<std::size_t>(head_dim);
  const std::size_t n_query = queries.size() / width;
  const std::size_t n_key = keys.size() / width;
  AttentionReference result;
  result.probabilities.assign(n_query * n_key, 0.0);
  result.output.assign(n_query * width, 0.0);
  if (n_key == 0) return result;
  for (std::size_t i = 0; i < n_query; ++i) {
    const std::span<double> row = std::span(result.probabilities).subspan(i * n_key, n_key);
    for (std::size_t j = 0; j < n_key; ++j) {
      double dot = 0.0;
      for (std::size_t d = 0; d < width; ++d) dot += double{queries[i * width + d]} * double{keys[j * width + d]};
      row[j] = scale * dot;
    }
    softmax(row);
    for (std::size_t j = 0; j < n_key; ++j) {
      for (std::size_t d = 0; d < width; ++d) result.output[i * width + d] += row[j] * double{values[j * width + d]};
    }
  }
  return result;
}

}  // namespace kvscope
