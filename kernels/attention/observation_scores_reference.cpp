#include "kernels/attention/observation_scores_reference.h"

#include "collectors/compute/attention_reference.h"

namespace kvscope {

std::vector<double> observation_scores_reference(std::span<const float> queries, std::span<const float> keys,
                                                 std::int64_t head_dim, double scale) {
  const std::size_t n_key = keys.size() / static_cast<std::size_t>(head_dim);
  std::vector<double> scores(n_key, 0.0);
  const auto map = attention_reference(queries, keys, keys, head_dim, scale).probabilities;
  for (std::size_t i = 0; i < map.size(); ++i) scores[i % n_key] += map[i];
  return scores;
}

}  // namespace kvscope
