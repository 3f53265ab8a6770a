#include "support/attention_data.h"

#include "collectors/base/error.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/simd_level.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace kvscope::testing {

std::vector<float> normal_values(std::int64_t count, std::uint32_t seed, float deviation) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

namespace {

std::vector<std::byte> stored(std::vector<float>& values, ElementType type) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(element_bytes(type)));
  convert_from_float(values.data(), count, type, bytes.data());
  convert_to_float(bytes.data(), type, count, values.data());
  return bytes;
}

}  // namespace

HeadData::HeadData(std::int64_t tokens, std::int64_t dim, ElementType element, std::uint32_t seed)
    : n_token(tokens),
      head_dim(dim),
      type(element),
      keys(normal_values(tokens * dim, seed)),
      values(normal_values(tokens * dim, seed + 1)),
      stored_keys_(stored(keys, element)),
      stored_values_(stored(values, element)) {}

KeyValueSegment HeadData::segment(std::int64_t first, std::int64_t count) const {
  const auto offset = static_cast<std::size_t>(first * head_dim * element_bytes(type));
  return {.keys = stored_keys_.data() + offset,
          .values = stored_values_.data() + offset,
          .key_type = type,
          .value_type = type,
          .key_stride = head_dim,
          .value_stride = head_dim,
          .n_token = count};
}

SimdLevelGuard::~SimdLevelGuard() {
  force_simd_level("");
}

double largest_difference(const std::vector<float>& found, const std::vector<double>& expected) {
  require(found.size() == expected.size(), "largest_difference: the sizes differ");
  double largest = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(double{found[i]} - expected[i]);
    if (std::isnan(difference)) return INFINITY;
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace kvscope::testing
