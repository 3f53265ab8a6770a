#include "tests/benchmarks/attention_problem.h"

#include "collectors/compute/attention_reference.h"
#include "collectors/compute/convert.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace kvscope::benchmark {
namespace {

constexpr std::array<AttentionShape, 6> kShapes = {
    {{64, 256, 680}, {64, 256, 204}, {128, 1024, 2521}, {128, 1024, 756}, {128, 4096, 10521}, {128, 4096, 3156}}};
constexpr std::size_t kQuickShapes = 2;

// Codes for normally distributed numbers: few of them saturate.
constexpr float kCodeRange = 4.5F;

AlignedBytes encoded(const std::vector<float>& values, ElementType type, const ChannelQuantisation& codes) {
  const auto count = static_cast<std::int64_t>(values.size());
  AlignedBytes bytes(count * element_bytes(type));
  if (type != ElementType::kInt8) {
    convert_from_float(values.data(), count, type, bytes.data());
    return bytes;
  }
  auto* target = reinterpret_cast<std::int8_t*>(bytes.data());
  const std::int64_t head_dim = std::ssize(codes.scale);
  for (std::int64_t at = 0; at < count; at += head_dim)
    quantise(values.data() + at, codes.parameters(), head_dim, target + at);
  return bytes;
}

}  // namespace

std::string describe(const AttentionShape& shape) {
  const std::string heads = shape.heads == 1 ? "" : fmt::format(", {} heads", shape.heads);
  return fmt::format("head_dim {}, {} x {}{}", shape.head_dim, shape.n_query, shape.n_key, heads);
}

std::span<const AttentionShape> attention_shapes(bool quick) {
  return std::span(kShapes).first(quick ? kQuickShapes : kShapes.size());
}

AttentionProblem::AttentionProblem(AttentionShape shape, AttentionTypes types, std::int64_t different_bytes)
    : shape_(shape), types_(types), scale_(1.0F / std::sqrt(static_cast<float>(shape.head_dim))) {
  const std::vector<float> range(static_cast<std::size_t>(shape.head_dim), kCodeRange);
  const std::vector<float> minimum(range.size(), -kCodeRange);
  codes_ = quantisation_of_range(minimum, range);
  const std::int64_t query_count = shape.heads * shape.n_query * shape.head_dim;
  const std::int64_t key_count = shape.heads * shape.n_key * shape.head_dim;
  const std::int64_t query_bytes = query_count * element_bytes(types.queries);
  const std::int64_t key_bytes = key_count * element_bytes(types.keys_values);
  const AlignedBytes queries = encoded(normal_values(query_count, 1), types.queries, codes_);
  const AlignedBytes keys = encoded(normal_values(key_count, 2), types.keys_values, codes_);
  const AlignedBytes values = encoded(normal_values(key_count, 3), types.keys_values, codes_);
  const auto add = [&](const void* source, std::int64_t bytes) {
    AlignedBytes& copy = memory_.emplace_back(bytes);
    if (source != nullptr) std::memcpy(copy.data(), source, static_cast<std::size_t>(bytes));
    return copy.data();
  };
  const std::int64_t n_copy = 1 + different_bytes / (2 * query_bytes + 2 * key_bytes);
  for (std::int64_t i = 0; i < n_copy; ++i) {
    copies_.push_back({add(queries.data(), query_bytes), add(keys.data(), key_bytes), add(values.data(), key_bytes),
                       add(nullptr, query_bytes)});
  }
}

void AttentionProblem::spoil_output() {
  const std::int64_t count = shape_.heads * shape_.n_query * shape_.head_dim;
  const std::vector<float> nothing(static_cast<std::size_t>(count), std::numeric_limits<float>::quiet_NaN());
  for (const Copy& copy : copies_) convert_from_float(nothing.data(), count, types_.queries, copy.output);
}

std::vector<float> AttentionProblem::decoded(const void* data, ElementType type, std::int64_t offset,
                                             std::int64_t count) const {
  std::vector<float> values(static_cast<std::size_t>(count));
  const std::byte* first = static_cast<const std::byte*>(data) + offset * element_bytes(type);
  if (type != ElementType::kInt8) {
    convert_to_float(first, type, count, values.data());
    return values;
  }
  for (std::int64_t at = 0; at < count; at += shape_.head_dim) {
    dequantise(reinterpret_cast<const std::int8_t*>(first) + at, codes(), shape_.head_dim, values.data() + at);
  }
  return values;
}

float AttentionProblem::logit_bound() const {
  const auto longest = [&](const void* data, ElementType type, std::int64_t tokens) {
    const std::vector<float> vectors = decoded(data, type, 0, tokens * shape_.head_dim);
    float largest = 0.0F;
    for (auto at = vectors.begin(); at != vectors.end(); at += shape_.head_dim) {
      largest = std::max(largest, std::inner_product(at, at + shape_.head_dim, at, 0.0F));
    }
    return std::sqrt(largest);
  };
  // A little more: the lengths are rounded, and so are the logits.
  constexpr float kRoom = 1.0001F;
  return kRoom * scale_ * longest(copies_[0].queries, types_.queries, shape_.heads * shape_.n_query) *
         longest(copies_[0].keys, types_.keys_values, shape_.heads * shape_.n_key);
}

double AttentionProblem::max_relative_error(std::span<const std::int64_t> lengths) const {
  const Copy& copy = copies_[latest_];
  const std::int64_t d = shape_.head_dim;
  const std::int64_t key_count = shape_.n_key * d;
  double error = 0.0;
  double largest = 0.0;
  for (const std::int64_t head : std::set{std::int64_t{0}, shape_.heads - 1}) {
    const std::int64_t used = d * (lengths.empty() ? shape_.n_key : lengths[static_cast<std::size_t>(head)]);
    const std::vector<float> keys = decoded(copy.keys, types_.keys_values, head * key_count, used);
    const std::vector<float> values = decoded(copy.values, types_.keys_values, head * key_count, used);
    for (const std::int64_t i : std::set{std::int64_t{0}, shape_.n_query / 2, shape_.n_query - 1}) {
      const std::int64_t offset = (head * shape_.n_query + i) * d;
      const std::vector<float> query = decoded(copy.queries, types_.queries, offset, d);
      const std::vector<float> found = decoded(copy.output, types_.queries, offset, d);
      const auto expected = attention_reference(query, keys, values, d, double{scale_}).output;
      for (std::size_t c = 0; c < expected.size(); ++c) {
        const double difference = std::abs(found[c] - expected[c]);
        // Not-a-number compares as not larger; it must not pass.
        error = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(error, difference);
        largest = std::max(largest, std::abs(expected[c]));
      }
      if (std::isinf(error)) return error;
    }
  }
  return error / largest;
}

std::int64_t beyond_cache_bytes() {
  const long level_3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  constexpr std::int64_t kAssumed = std::int64_t{32} << 20;
  return (level_3 > 0 ? std::int64_t{level_3} : kAssumed) * 3 / 2;
}

std::vector<float> normal_values(std::int64_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  std::ranges::generate(values, [&] { return normal(generator); });
  return values;
}

}  // namespace kvscope::benchmark
