#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// Another head, and how alike it is.
struct SimilarHead {
  std::int64_t head = 0;  ///< index into the rows of what was compared
  double cosine = 0.0;    ///< in [-1, 1]; [0, 1] for attention, which is not negative
  bool operator==(const SimilarHead&) const = default;
};

/// For every head the `count` others (fewer if there are not as many) whose vectors point most in its direction, most
/// alike first, ties to the lower index:
///
///   cosine(a, b) = sum_j a_j b_j / (|a| |b|);  0 where one of both is all zero or holds what is not a number.
///
/// With column means abar as vectors, similar heads weigh the same keys (alike stripes); with displacement histograms
/// (all source steps one after another) they look in the same direction and distance. Neither needs raw maps.
///
/// @param vectors  [heads, values]
/// Cost: heads^2 * values multiplications, on all threads.
[[nodiscard]] std::vector<std::vector<SimilarHead>> most_similar_heads(const Array<float>& vectors, int count);

}  // namespace kvscope
