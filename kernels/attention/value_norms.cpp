#include "kernels/attention/value_norms.h"

#include "collectors/compute/convert.h"

#include <cmath>
#include <cstddef>

namespace kvscope {

std::vector<float> value_norms(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  std::int64_t n_token = 0;
  for (const KeyValueSegment& segment : segments) n_token += segment.n_token;
  std::vector<float> norms;
  norms.reserve(static_cast<std::size_t>(n_token));
  std::vector<float> row(static_cast<std::size_t>(head_dim));
  for (const KeyValueSegment& segment : segments) {
    for (std::int64_t i = 0; i < segment.n_token; ++i) {
      const std::int64_t token = segment.index == nullptr ? i : segment.index[i];
      const auto* bytes = static_cast<const std::byte*>(segment.values);
      convert_to_float(bytes + token * segment.value_stride * element_bytes(segment.value_type), segment.value_type,
                       head_dim, row.data());
      double square = 0.0;
      for (const float x : row) square += double{x} * double{x};
      norms.push_back(static_cast<float>(std::sqrt(square)));
    }
  }
  return norms;
}

}  // namespace kvscope
