#include "kernels/attention/merge_reference.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace kvscope {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += double{a[d]} * double{b[d]};
  return sum;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  const double lengths = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return lengths > 0.0 ? dot(a, b) / lengths : 0.0;
}

}  // namespace

MergedTokensReference merge_tokens_reference(std::span<const float> keys, std::span<const float> values,
                                             std::int64_t head_dim, std::span<const std::int32_t> kept) {
  const auto width = static_cast<std::size_t>(head_dim);
  const auto row = [&](std::span<const float> rows, std::int32_t token) {
    return rows.subspan(static_cast<std::size_t>(token) * width, width);
  };
  std::map<std::int32_t, std::vector<std::int32_t>> members;
  for (const std::int32_t token : kept) members[token] = {token};
  for (std::int32_t token = 0; token < static_cast<std::int32_t>(keys.size() / width); ++token) {
    if (std::ranges::find(kept, token) != kept.end()) continue;
    std::int32_t best = kept[0];
    for (const std::int32_t other : kept) {
      if (cosine(row(keys, token), row(keys, other)) > cosine(row(keys, token), row(keys, best))) best = other;
    }
    members[best].push_back(token);
  }
  MergedTokensReference result;
  for (const auto& [target, group] : members) {
    for (std::size_t d = 0; d < width; ++d) {
      double key = 0.0;
      double value = 0.0;
      for (const std::int32_t token : group) {
        key += double{row(keys, token)[d]};
        value += double{row(values, token)[d]};
      }
      result.keys.push_back(key / static_cast<double>(group.size()));
      result.values.push_back(value / static_cast<double>(group.size()));
    }
  }
  return result;
}

}  // namespace kvscope
