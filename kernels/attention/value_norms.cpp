#include "kernels/attention/value_norms.h"

#include "collectors/compute/convert.h"

#include <cmath>
#include <cstddef>

namespace kvscope {
namespace {

float length(const float* row, std::int64_t head_dim) {
  double square = 0.0;
  for (std::int64_t d = 0; d < head_dim; ++d) square += double{row[d]} * double{row[d]};
  return static_cast<float>(std::sqrt(square));
}

}  // namespace

std::vector<float> value_norms(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  std::int64_t n_token = 0;
  for (const KeyValueSegment& segment : segments) n_token += segment.n_token;
  std::vector<float> norms;
  norms.reserve(static_cast<std::size_t>(n_token));
  std::vector<float> row(static_cast<std::size_t>(head_dim));
  for (const KeyValueSegment& segment : segments) {
    for (std::int64_t i = 0; i < segment.n_token; ++i) {
      const std::int64_t token = segment.index == nullptr ? i : segment.index[i];
      const std::int64_t offset = token * segment.value_stride;
      if (segment.value_type == ElementType::kFloat32) {
        norms.push_back(length(static_cast<const float*>(segment.values) + offset, head_dim));
        continue;
      }
      const auto* bytes = static_cast<const std::byte*>(segment.values);
      convert_to_float(bytes + offset * element_bytes(segment.value_type), segment.value_type, head_dim, row.data());
      norms.push_back(length(row.data(), head_dim));
    }
  }
  return norms;
}

}  // namespace kvscope
