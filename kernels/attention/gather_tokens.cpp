#include "kernels/attention/gather_tokens.h"

#include "collectors/compute/convert.h"

#include <algorithm>
#include <cstddef>

namespace kvscope {

GatheredTokens gather_tokens(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  std::int64_t n_token = 0;
  for (const KeyValueSegment& segment : segments) n_token += segment.n_token;
  GatheredTokens result;
  result.keys.resize(static_cast<std::size_t>(n_token * head_dim));
  result.values.resize(static_cast<std::size_t>(n_token * head_dim));
  std::int64_t filled = 0;
  const auto copy = [&](const void* base, ElementType type, std::int64_t offset, std::vector<float>& rows) {
    if (type == ElementType::kFloat32) {
      std::copy_n(static_cast<const float*>(base) + offset, head_dim, rows.data() + filled * head_dim);
      return;
    }
    convert_to_float(static_cast<const std::byte*>(base) + offset * element_bytes(type), type, head_dim,
                     rows.data() + filled * head_dim);
  };
  for (const KeyValueSegment& segment : segments) {
    for (std::int64_t i = 0; i < segment.n_token; ++i, ++filled) {
      const std::int64_t token = segment.index == nullptr ? i : segment.index[i];
      copy(segment.keys, segment.key_type, token * segment.key_stride, result.keys);
      copy(segment.values, segment.value_type, token * segment.value_stride, result.values);
    }
  }
  return result;
}

}  // namespace kvscope
