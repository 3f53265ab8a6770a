#pragma once

#include "collectors/compute/row_kernels.h"

#include <array>
#include <cmath>
#include <cstdint>

namespace kvscope {

/// Largest logit and sum of exponentials of the rows of a block while it goes through its keys, to base 2
/// (Milakov and Gimelshein 2018, arXiv 1805.02867).
template <std::int64_t kRows>
class OnlineSoftmax {
 public:
  /// Takes note of the largest logit of row i in the next block of keys. Where it is the largest so far, what was
  /// summed up before shrinks with it: `output` [width], and the sum. Returns the shift of the block's exponentials.
  float begin_block(std::int64_t i, float block_maximum, float* output, std::int64_t width) {
    Row& row = rows_[static_cast<std::size_t>(i)];
    if (row.is_empty) {
      row = {.maximum = block_maximum, .sum = 0.0F, .is_empty = false};
    } else if (block_maximum > row.maximum) {
      const float shrink = std::exp2(row.maximum - block_maximum);
      row_kernels().scale(output, width, shrink);
      row.sum *= shrink;
      row.maximum = block_maximum;
    }
    return row.maximum;
  }
  /// Adds to the sum of row i.
  void add(std::int64_t i, float exponentials) { rows_[static_cast<std::size_t>(i)].sum += exponentials; }
  [[nodiscard]] float sum(std::int64_t i) const { return rows_[static_cast<std::size_t>(i)].sum; }

 private:
  struct Row {
    float maximum = 0.0F;
    float sum = 0.0F;
    bool is_empty = true;
  };
  std::array<Row, kRows> rows_{};
};

}  // namespace kvscope
