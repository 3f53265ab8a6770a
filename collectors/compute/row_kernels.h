#pragma once

#include <cstdint>

namespace kvscope {

/// Exponentials are to base 2: e^x = 2^(x * kLog2E).
inline constexpr float kLog2E = 1.44269504F;

/// Some columns of the rows of a strip. Rows are aligned to 64 bytes, `columns` is a multiple of kVectorFloats.
struct RowBlock {
  float* values = nullptr;
  std::int64_t stride = 0;  ///< floats from one row to the next
  std::int64_t n_row = 0;
  std::int64_t columns = 0;
};

/// What is done to the rows of a strip, for one instruction set. A row's bits do not depend on the others.
struct RowKernels {
  /// largest[i] becomes the largest element of row i if that is larger.
  void (*fold_maxima)(const RowBlock& block, float* largest);
  /// x = 2^(factor * (x - shifts[i])) for all x of row i; their sum is added to sums[i]. Relative error of one
  /// exponential below 2.5e-7 beside that of its argument, exactly 1 at the shift; below 2^-126 it is 0.
  void (*exponentials2)(const RowBlock& block, float factor, const float* shifts, float* sums);
  /// The same into pairs[i, :], rounded to bfloat16, two in the place of a float; the sums are of what is not rounded
  /// yet. `columns` is a multiple of 32. Only where has_bfloat16_products().
  void (*exponentials2_to_bfloat16)(const RowBlock& block, float factor, const float* shifts, float* sums, float* pairs,
                                    std::int64_t pair_stride) = nullptr;
  /// target[j] = row[j] * factor for any `count` and alignment; the target may be the row itself.
  void (*scale)(const float* row, std::int64_t count, float factor, float* target);
  /// sums[j] += row[j]; aligned, `count` a multiple of kVectorFloats.
  void (*add)(const float* row, std::int64_t count, float* sums);
};

/// The kernels of simd_level().
[[nodiscard]] const RowKernels& row_kernels();

}  // namespace kvscope
