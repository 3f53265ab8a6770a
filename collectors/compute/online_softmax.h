#pragma once

#include "collectors/compute/row_kernels.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kvscope {

/// Largest product q . k and sum of exponentials 2^(factor * q . k) of the rows of a block while it goes through its
/// keys (Milakov and Gimelshein 2018, arXiv 1805.02867).
template <std::int64_t kRows>
class OnlineSoftmax {
 public:
  explicit OnlineSoftmax(float factor) : factor_(factor) {}

  /// Takes note of the largest product of row i in the next block of keys. Where it is the largest so far, what was
  /// summed up before shrinks with it: `output` [width], and the sum.
  void begin_block(std::int64_t i, float block_maximum, float* output, std::int64_t width) {
    float& maximum = maxima_[static_cast<std::size_t>(i)];
    if (block_maximum <= maximum) return;
    float& sum = sums_[static_cast<std::size_t>(i)];
    if (sum > 0.0F) {
      const float shrink = std::exp2(factor_ * (maximum - block_maximum));
      row_kernels().scale(output, width, shrink, output);
      sum *= shrink;
    }
    maximum = block_maximum;
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
