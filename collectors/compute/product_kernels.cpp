// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/compute/product_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/simd_level.h"
#include "collectors/compute/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {

static_assert(kVectorFloats % kLanes == 0, "a vector must not be longer than the padding");

constexpr int kTileVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;

/// Queries per register tile of so many vectors: enough sums to hide the latency of the multiply-add (8), few
/// enough for the registers. AVX-512 has 32: 6 x 4 sums, 4 of b, 1 of a; the others 16: 6 x 2 sums, 2 of b,
/// 1 of a. A narrow last tile takes more rows instead.
constexpr int tile_rows(int vectors) {
  if (vectors == 4) return 6;
  if (vectors == 3) return 8;
  if (vectors == 2) return HWY_TARGET == HWY_AVX3 ? 12 : 6;
  return 12;
}

/// What happens to a finished vector of results before it is stored.
struct StoreOnly {
  HWY_INLINE FloatVector finish(FloatVector value) const { return value; }
  HWY_INLINE void fold(const FloatVector* /*values*/, int /*count*/, std::int64_t /*row*/) const {}
};

struct FoldMaximum {
  float* maxima;
  HWY_INLINE FloatVector finish(FloatVector value) const { return value; }
  HWY_INLINE void fold(const FloatVector* values, int count, std::int64_t row) const {
    const Floats d;
    float* lanes = maxima + row * kVectorFloats;
    FloatVector largest = hn::Load(d, lanes);
    KVSCOPE_UNROLL
    for (int v = 0; v < count; ++v) largest = hn::Max(largest, values[v]);
    hn::Store(largest, d, lanes);
  }
};

struct Exponentiate {
  FloatVector shift;
  float* sums;
  HWY_INLINE FloatVector finish(FloatVector value) const { return exponential2(hn::Sub(value, shift)); }
  HWY_INLINE void fold(const FloatVector* values, int count, std::int64_t row) const {
    const Floats d;
    float* lanes = sums + row * kVectorFloats;
    FloatVector sum = hn::Load(d, lanes);
    KVSCOPE_UNROLL
    for (int v = 0; v < count; ++v) sum = hn::Add(sum, values[v]);
    hn::Store(sum, d, lanes);
  }
};

/// One register tile of a product: kRows x (kVectors * kLanes) sums over the whole depth.
template <int kRows, int kVectors, typename Finish>
HWY_INLINE void multiply_tile(const Product& p, std::int64_t row0, std::int64_t column, const Finish& finish) {
  const Floats d;
  const float* HWY_RESTRICT a = p.a + row0 * p.a_stride;
  const float* HWY_RESTRICT b = p.b + column;
  float* HWY_RESTRICT c = p.c + row0 * p.c_stride + column;
  FloatVector sums[kRows][kVectors];
  KVSCOPE_UNROLL
  for (int row = 0; row < kRows; ++row) {
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[row][v] = p.accumulate ? hn::Load(d, c + row * p.c_stride + v * kLanes) : hn::Zero(d);
    }
  }
  for (std::int64_t k = 0; k < p.depth; ++k) {
    FloatVector right[kVectors];
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
    KVSCOPE_UNROLL
    for (int row = 0; row < kRows; ++row) {
      const FloatVector left = hn::Set(d, a[row * p.a_stride + k]);
      KVSCOPE_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[row][v] = hn::MulAdd(left, right[v], sums[row][v]);
    }
    b += p.b_stride;
  }
  KVSCOPE_UNROLL
  for (int row = 0; row < kRows; ++row) {
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[row][v] = finish.finish(sums[row][v]);
      hn::Store(sums[row][v], d, c + row * p.c_stride + v * kLanes);
    }
    finish.fold(sums[row], kVectors, row0 + row);
  }
}

/// All rows of the columns [column, column + kVectors * kLanes).
template <int kVectors, typename Finish>
void multiply_columns(const Product& p, std::int64_t column, const Finish& finish) {
  constexpr int kRows = tile_rows(kVectors);
  std::int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) multiply_tile<kRows, kVectors>(p, row, column, finish);
  if (kRows > 6 && row + 6 <= p.rows) {
    multiply_tile<6, kVectors>(p, row, column, finish);
    row += 6;
  }
  switch (p.rows - row) {
    case 5:
      return multiply_tile<5, kVectors>(p, row, column, finish);
    case 4:
      return multiply_tile<4, kVectors>(p, row, column, finish);
    case 3:
      return multiply_tile<3, kVectors>(p, row, column, finish);
    case 2:
      return multiply_tile<2, kVectors>(p, row, column, finish);
    case 1:
      return multiply_tile<1, kVectors>(p, row, column, finish);
    default:
      return;
  }
}

void multiply(const Product& p) {
  constexpr StoreOnly kStore;
  std::int64_t column = 0;
  for (; column + kTileVectors * kLanes <= p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors>(p, column, kStore);
  }
  // What is left of a narrow last panel: at most kTileVectors - 1 vectors.
  const std::int64_t vectors = (p.columns - column) / kLanes;
  if constexpr (kTileVectors > 3) {
    if (vectors == 3) return multiply_columns<3>(p, column, kStore);
    if (vectors == 2) return multiply_columns<2>(p, column, kStore);
  }
  if (vectors == 1) multiply_columns<1>(p, column, kStore);
}

/// The columns of a product that are whole tiles, each finished in its registers.
template <typename Finish>
void multiply_finished(const Product& p, const Finish& finish) {
  for (std::int64_t column = 0; column < p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors>(p, column, finish);
  }
}

void multiply_maximum(const Product& p, float* maxima) {
  multiply_finished(p, FoldMaximum{maxima});
}

void multiply_exponential(const Product& p, float shift, float* sums) {
  multiply_finished(p, Exponentiate{hn::Set(Floats(), shift), sums});
}

const ProductKernels* product_table() {
  static constexpr ProductKernels table{
      .multiply = multiply, .multiply_maximum = multiply_maximum, .multiply_exponential = multiply_exponential};
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(product_table);

const ProductKernels& product_kernels() {
  apply_simd_environment();
  return *HWY_DYNAMIC_DISPATCH(product_table)();
}

}  // namespace kvscope
#endif
