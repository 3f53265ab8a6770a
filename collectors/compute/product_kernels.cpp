// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/compute/product_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/bfloat16_pairs-inl.h"
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

/// An element of a and b is a float32.
struct SingleElements {
  static HWY_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector sum) {
    return hn::MulAdd(a, b, sum);
  }
};

#if HWY_TARGET == HWY_AVX3
/// An element of a and b is a pair of bfloat16: their products are summed in float32.
struct PairElements {
  static HWY_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector sum) {
    return add_bfloat16_products(a, b, sum);
  }
};
#endif

/// What happens to the finished sums of a row of a tile, given where they belong in c.
struct StoreOnly {
  template <int kVectors>
  HWY_INLINE void store(const FloatVector* values, std::int64_t /*row*/, float* c) const {
    const Floats d;
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) hn::Store(values[v], d, c + v * kLanes);
  }
};

struct FoldMaximum {
  float* maxima;
  template <int kVectors>
  HWY_INLINE void store(const FloatVector* values, std::int64_t row, float* c) const {
    const Floats d;
    float* lanes = maxima + row * kVectorFloats;
    FloatVector largest = hn::Load(d, lanes);
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      largest = hn::Max(largest, values[v]);
      hn::Store(values[v], d, c + v * kLanes);
    }
    hn::Store(largest, d, lanes);
  }
};

struct Exponentiate {
  FloatVector factor;
  FloatVector shift;
  float* sums;
  template <int kVectors>
  HWY_INLINE void store(const FloatVector* values, std::int64_t row, float* c) const {
    const Floats d;
    float* lanes = sums + row * kVectorFloats;
    FloatVector sum = hn::Load(d, lanes);
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const FloatVector power = exponential2(hn::MulSub(values[v], factor, shift));
      sum = hn::Add(sum, power);
      hn::Store(power, d, c + v * kLanes);
    }
    hn::Store(sum, d, lanes);
  }
};

#if HWY_TARGET == HWY_AVX3
/// c holds bfloat16 here, two of them in the place of a float.
struct ExponentiateToBFloat16 {
  FloatVector factor;
  FloatVector shift;
  float* sums;
  template <int kVectors>
  HWY_INLINE void store(const FloatVector* values, std::int64_t row, float* c) const {
    static_assert(kVectors % 2 == 0);
    const Floats d;
    float* lanes = sums + row * kVectorFloats;
    FloatVector sum = hn::Load(d, lanes);
    KVSCOPE_UNROLL
    for (int v = 0; v < kVectors; v += 2) {
      const FloatVector low = exponential2(hn::MulSub(values[v], factor, shift));
      const FloatVector high = exponential2(hn::MulSub(values[v + 1], factor, shift));
      sum = hn::Add(sum, hn::Add(low, high));
      hn::Store(bfloat16_of(low, high), d, c + v / 2 * kLanes);
    }
    hn::Store(sum, d, lanes);
  }
};
#endif

/// One register tile of a product: kRows x (kVectors * kLanes) sums over the whole depth.
template <int kRows, int kVectors, typename Elements, typename Finish>
HWY_INLINE void multiply_tile(const Product& p, std::int64_t first_row, std::int64_t column, const Finish& finish) {
  const Floats d;
  const float* HWY_RESTRICT a = p.a + first_row * p.a_stride;
  const float* HWY_RESTRICT b = p.b + column;
  float* HWY_RESTRICT c = p.c + first_row * p.c_stride + column;
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
      for (int v = 0; v < kVectors; ++v) sums[row][v] = Elements::multiply_add(left, right[v], sums[row][v]);
    }
    b += p.b_stride;
  }
  KVSCOPE_UNROLL
  for (int row = 0; row < kRows; ++row) {
    finish.template store<kVectors>(sums[row], first_row + row, c + row * p.c_stride);
  }
}

/// All rows of the columns [column, column + kVectors * kLanes).
template <int kVectors, typename Elements, typename Finish>
void multiply_columns(const Product& p, std::int64_t column, const Finish& finish) {
  constexpr int kRows = tile_rows(kVectors);
  std::int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) multiply_tile<kRows, kVectors, Elements>(p, row, column, finish);
  if (kRows > 6 && row + 6 <= p.rows) {
    multiply_tile<6, kVectors, Elements>(p, row, column, finish);
    row += 6;
  }
  switch (p.rows - row) {
    case 5:
      return multiply_tile<5, kVectors, Elements>(p, row, column, finish);
    case 4:
      return multiply_tile<4, kVectors, Elements>(p, row, column, finish);
    case 3:
      return multiply_tile<3, kVectors, Elements>(p, row, column, finish);
    case 2:
      return multiply_tile<2, kVectors, Elements>(p, row, column, finish);
    case 1:
      return multiply_tile<1, kVectors, Elements>(p, row, column, finish);
    default:
      return;
  }
}

template <typename Elements>
void multiply(const Product& p) {
  constexpr StoreOnly kStore;
  std::int64_t column = 0;
  for (; column + kTileVectors * kLanes <= p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors, Elements>(p, column, kStore);
  }
  // What is left of a narrow last panel: at most kTileVectors - 1 vectors.
  const std::int64_t vectors = (p.columns - column) / kLanes;
  if constexpr (kTileVectors > 3) {
    if (vectors == 3) return multiply_columns<3, Elements>(p, column, kStore);
    if (vectors == 2) return multiply_columns<2, Elements>(p, column, kStore);
  }
  if (vectors == 1) multiply_columns<1, Elements>(p, column, kStore);
}

template <typename Elements>
void multiply_maximum(const Product& p, float* maxima) {
  for (std::int64_t column = 0; column < p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors, Elements>(p, column, FoldMaximum{maxima});
  }
}

void multiply_exponential(const Product& p, float factor, float shift, float* sums) {
  const Exponentiate finish{hn::Set(Floats(), factor), hn::Set(Floats(), shift), sums};
  for (std::int64_t column = 0; column < p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors, SingleElements>(p, column, finish);
  }
}

#if HWY_TARGET == HWY_AVX3
void multiply_pairs_exponential(const Product& p, float factor, float shift, float* sums) {
  static_assert(kTileVectors * kLanes == kPanelKeys, "a panel is one tile, so c needs no column of its own");
  const ExponentiateToBFloat16 finish{hn::Set(Floats(), factor), hn::Set(Floats(), shift), sums};
  multiply_columns<kTileVectors, PairElements>(p, 0, finish);
}
#endif

const ProductKernels* product_table() {
  static constexpr ProductKernels table {
    .multiply = multiply<SingleElements>, .multiply_maximum = multiply_maximum<SingleElements>,
    .multiply_exponential = multiply_exponential,
#if HWY_TARGET == HWY_AVX3
    .multiply_pairs = multiply<PairElements>, .multiply_pairs_maximum = multiply_maximum<PairElements>,
    .multiply_pairs_exponential = multiply_pairs_exponential
#endif
  };
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
