#pragma once

#include <cstdint>

namespace kvscope {

/// Exponentials are to base 2: logits are multiplied by this beforehand, e^x = 2^(x * kLog2E).
inline constexpr float kLog2E = 1.44269504F;

/// What is done to the rows of a strip, for one instruction set. A row is aligned to 64 bytes, its `count` a
/// multiple of kVectorFloats.
struct RowKernels {
  /// The largest element of a row with at least one.
  float (*maximum)(const float* row, std::int64_t count);
  /// row[j] = 2^(row[j] - shift); returns the sum. Relative error of one exponential below 2.5e-7; below 2^-126
  /// it is 0.
  float (*exponentials2)(float* row, std::int64_t count, float shift);
  /// row[j] *= factor.
  void (*scale)(float* row, std::int64_t count, float factor);
  /// sums[j] += row[j].
  void (*add)(const float* row, std::int64_t count, float* sums);
  /// pairs = 2^(factor * row[j] - shift) rounded to bfloat16, two in the place of a float; returns the sum of what is
  /// not rounded. `count` is a multiple of 32. Only where has_bfloat16_products().
  float (*exponentials2_to_bfloat16)(const float* row, std::int64_t count, float factor, float shift,
                                     float* pairs) = nullptr;
};

/// The kernels of simd_level().
[[nodiscard]] const RowKernels& row_kernels();

}  // namespace kvscope
