#include "kernels/attention/value_norms.h"

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
    const TokenRows values = TokenRows::values_of(segment, head_dim);
    for (std::int64_t i = 0; i < segment.n_token; ++i) {
      if (!values.is_float()) values.to_float(i, row.data());
      norms.push_back(length(values.is_float() ? static_cast<const float*>(values.at(i)) : row.data(), head_dim));
    }
  }
  return norms;
}

}  // namespace kvscope
