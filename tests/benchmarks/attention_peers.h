#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace kvscope::benchmark {

/// Dense float32 attention of one head.
struct AttentionCase {
  std::int64_t head_dim = 0;
  std::int64_t n_query = 0;
  std::int64_t n_key = 0;
  float scale = 0.0F;
  std::vector<float> queries;  ///< [n_query, head_dim]
  std::vector<float> keys;     ///< [n_key, head_dim]
  std::vector<float> values;   ///< [n_key, head_dim]
  std::vector<float> output;   ///< [n_query, head_dim], written by whoever runs

  [[nodiscard]] double flops() const {
    return 4.0 * static_cast<double>(head_dim) * static_cast<double>(n_query) * static_cast<double>(n_key);
  }
};

/// LibTorch's scaled_dot_product_attention on `threads` threads. The case must outlive the function.
[[nodiscard]] std::function<void()> libtorch_attention(AttentionCase& problem, int threads);
/// Two matrix products and a row-wise softmax between them, the map held in memory; one thread.
[[nodiscard]] std::function<void()> eigen_attention(AttentionCase& problem);

}  // namespace kvscope::benchmark
