#pragma once

#include "collectors/compute/packed_head.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope::testing {

/// `count` normally distributed floats from a written-down seed.
[[nodiscard]] std::vector<float> normal_values(std::int64_t count, std::uint32_t seed, float deviation = 1.0F);

/// Keys and values of one head in some element type, and the same as the exact float32 values they stand for.
struct HeadData {
  HeadData(std::int64_t n_token, std::int64_t head_dim, ElementType type, std::uint32_t seed);

  /// Tokens [first, first + count) as a segment.
  [[nodiscard]] KeyValueSegment segment(std::int64_t first, std::int64_t count) const;
  [[nodiscard]] KeyValueSegment segment() const { return segment(0, n_token); }

  std::int64_t n_token;
  std::int64_t head_dim;
  ElementType type;
  std::vector<float> keys;    ///< [n_token, head_dim]
  std::vector<float> values;  ///< [n_token, head_dim]

 private:
  std::vector<std::byte> stored_keys_;
  std::vector<std::byte> stored_values_;
};

/// The kernels' best level again when a test that forced others ends.
struct SimdLevelGuard {
  ~SimdLevelGuard();
};

/// Largest absolute difference.
[[nodiscard]] double largest_difference(const std::vector<float>& found, const std::vector<double>& expected);

}  // namespace kvscope::testing
