#pragma once

#include <cstdint>

namespace kvscope {

/// Keys per packed panel: four 512-bit vectors, so that a register tile of 6 queries x 64 keys fills 24 of
/// the 32 registers of AVX-512 and hides the latency of the multiply-add (4 cycles x 2 units = 8 tiles).
inline constexpr std::int64_t kPanelKeys = 64;
/// Floats of one 512-bit vector: columns of a product and padded channels are multiples of it.
inline constexpr std::int64_t kVectorFloats = 16;

/// `count` rounded up to a multiple of `step`: what is padded to whole vectors or panels.
[[nodiscard]] constexpr std::int64_t round_up(std::int64_t count, std::int64_t step) noexcept {
  return (count + step - 1) / step * step;
}

/// One matrix product in float32: c[rows, columns] (+)= a[rows, depth] b[depth, columns].
///
/// Each element is one chain of multiply-adds over depth in ascending order, so a row's bits do not depend
/// on the other rows. Strides are in elements; `columns` is a multiple of kVectorFloats; c and every row of
/// it are aligned to 64 bytes; b may lie anywhere, but is read fastest when it is aligned so, too.
struct Product {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t depth = 0;
  const float* a = nullptr;
  std::int64_t a_stride = 0;
  const float* b = nullptr;
  std::int64_t b_stride = 0;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  bool accumulate = false;
};

/// Matrix products for one instruction set, the second and third with something done to the results while
/// they are in registers; for those `columns` is a multiple of kPanelKeys.
struct ProductKernels {
  void (*multiply)(const Product& product);
  /// Also folds the results of a row into its running maxima: lane l of maxima[row * kVectorFloats + l] sees
  /// some of the columns, all lanes together see all of them. Lanes beyond the vector length stay.
  void (*multiply_maximum)(const Product& product, float* maxima);
  /// c = 2^(factor * a b - shift), and adds a row's results to its running sums, laid out like the maxima.
  void (*multiply_exponential)(const Product& product, float factor, float shift, float* sums);

  // With bfloat16 dot products: each element of a and b is a pair of bfloat16 that lie in the place of a float, in
  // order of the depth. Only where has_bfloat16_products().

  void (*multiply_pairs)(const Product& product) = nullptr;
  void (*multiply_pairs_maximum)(const Product& product, float* maxima) = nullptr;
  /// c = 2^(factor * a b - shift) rounded to bfloat16, two in the place of a float; `columns` is kPanelKeys. The sums
  /// are of what is not rounded yet.
  void (*multiply_pairs_exponential)(const Product& product, float factor, float shift, float* sums) = nullptr;
};

/// The kernels of simd_level().
[[nodiscard]] const ProductKernels& product_kernels();

}  // namespace kvscope
