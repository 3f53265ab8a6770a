#pragma once

#include "collectors/compute/product_kernels.h"
#include "collectors/compute/row_kernels.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace kvscope {

/// Largest product q . k and sum of exponentials 2^(factor * q . k) of the rows of a block while it goes through its
/// keys (Milakov and Gimelshein 2018, arXiv 1805.02867).
template <std::int64_t kRows>
class OnlineSoftmax {
 public:
  explicit OnlineSoftmax(float factor) : factor_(factor) {}

  /// Takes note of the largest product of each row in the next block of keys. Where it is the largest so far, what was
  /// summed up before shrinks with it: the row of `output` [n_row, width], and its sum.
  void begin_block(const float* block_maxima, std::int64_t n_row, float* output, std::int64_t width) {
    for (std::int64_t i = 0; i < n_row; ++i) {
      float& maximum = maxima_[static_cast<std::size_t>(i)];
      if (block_maxima[i] <= maximum) continue;
      float& sum = sums_[static_cast<std::size_t>(i)];
      if (sum > 0.0F) {
        const float shrink = std::exp2(factor_ * (maximum - block_maxima[i]));
        row_kernels().scale(output + i * width, width, shrink, output + i * width);
        sum *= shrink;
      }
      maximum = block_maxima[i];
    }
  }

  /// Adds sums that were gathered lane by lane, [n_row, kVectorFloats].
  void add_lanes(const float* lanes, std::int64_t n_row) {
    for (std::int64_t i = 0; i < n_row; ++i) {
      const float* row = lanes + i * kVectorFloats;
      sums_[static_cast<std::size_t>(i)] += std::accumulate(row, row + kVectorFloats, 0.0F);
    }
  }

  /// Attention's output: each row of weighted values, of any number of columns, over its sum; `output_stride` elements
  /// from one to the next.
  void write(const RowBlock& weighted, float* output, std::int64_t output_stride) const {
    for (std::int64_t i = 0; i < weighted.n_row; ++i) {
      row_kernels().scale(weighted.values + i * weighted.stride, weighted.columns,
                          1.0F / sums_[static_cast<std::size_t>(i)], output + i * output_stride);
    }
  }

  /// [kRows]: what the exponentials of a block are relative to.
  [[nodiscard]] const float* maxima() const { return maxima_.data(); }
  /// [kRows]: sums of exponentials so far; to be added to.
  [[nodiscard]] float* sums() { return sums_.data(); }

 private:
  static constexpr std::array<float, kRows> none_yet() {
    std::array<float, kRows> values{};
    for (float& value : values) value = -std::numeric_limits<float>::infinity();
    return values;
  }

  float factor_;
  std::array<float, kRows> maxima_ = none_yet();
  std::array<float, kRows> sums_{};
};

}  // namespace kvscope
