#include "kernels/attention/ragged_attention_reference.h"

#include "collectors/compute/attention_reference.h"
#include "collectors/compute/convert.h"
#include "kernels/attention/gather_tokens.h"

namespace kvscope {

std::vector<double> ragged_attention_reference(const RaggedAttention& p) {
  std::vector<double> output;
  const std::int64_t group = p.heads / p.kv_heads;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    for (std::int64_t head = 0; head < p.heads; ++head) {
      std::vector<float> queries(static_cast<std::size_t>(p.n_query * p.head_dim));
      for (std::int64_t i = 0; i < p.n_query; ++i) {
        convert_to_float(p.queries.token(row, head, i), p.queries.type, p.head_dim, queries.data() + i * p.head_dim);
      }
      const auto tokens = gather_tokens(p.keys[static_cast<std::size_t>(row * p.kv_heads + head / group)], p.head_dim);
      const float scale = p.softmax_scale[p.softmax_scale.size() == 1 ? 0 : static_cast<std::size_t>(head)];
      const auto result = attention_reference(queries, tokens.keys, tokens.values, p.head_dim, double{scale});
      output.insert(output.end(), result.output.begin(), result.output.end());
    }
  }
  return output;
}

}  // namespace kvscope
