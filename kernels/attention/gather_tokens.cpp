#include "kernels/attention/gather_tokens.h"

#include <cstddef>

namespace kvscope {

GatheredTokens gather_tokens(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  std::int64_t n_token = 0;
  for (const KeyValueSegment& segment : segments) n_token += segment.n_token;
  GatheredTokens result;
  result.keys.resize(static_cast<std::size_t>(n_token * head_dim));
  result.values.resize(static_cast<std::size_t>(n_token * head_dim));
  std::int64_t filled = 0;
  for (const KeyValueSegment& segment : segments) {
    const TokenRows keys = TokenRows::keys_of(segment, head_dim);
    const TokenRows values = TokenRows::values_of(segment, head_dim);
    for (std::int64_t i = 0; i < segment.n_token; ++i, ++filled) {
      keys.to_float(i, result.keys.data() + filled * head_dim);
      values.to_float(i, result.values.data() + filled * head_dim);
    }
  }
  return result;
}

}  // namespace kvscope
