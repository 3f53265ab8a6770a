// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/compute/row_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/bfloat16_pairs-inl.h"
#include "collectors/compute/row_kernels.h"
#include "collectors/compute/simd_level.h"
#include "collectors/compute/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {

constexpr int kChains = 4;

/// The first multiple of kChains vectors of a row whose length is a multiple of kVectorFloats.
constexpr std::int64_t chained(std::int64_t count) {
  return count / (kChains * kLanes) * (kChains * kLanes);
}

float maximum(const float* HWY_RESTRICT row, std::int64_t count) {
  const Floats d;
  FloatVector best[kChains];
  for (int c = 0; c < kChains; ++c) best[c] = hn::Load(d, row);
  std::int64_t j = 0;
  for (; j < chained(count); j += kChains * kLanes) {
    KVSCOPE_UNROLL
    for (int c = 0; c < kChains; ++c) best[c] = hn::Max(best[c], hn::Load(d, row + j + c * kLanes));
  }
  for (; j < count; j += kLanes) best[0] = hn::Max(best[0], hn::Load(d, row + j));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(best[0], best[1]), hn::Max(best[2], best[3]))));
}

float exponentials2(float* HWY_RESTRICT row, std::int64_t count, float shift) {
  const Floats d;
  const FloatVector offset = hn::Set(d, shift);
  FloatVector sums[kChains] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  std::int64_t j = 0;
  for (; j < chained(count); j += kChains * kLanes) {
    KVSCOPE_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const FloatVector e = exponential2(hn::Sub(hn::Load(d, row + j + c * kLanes), offset));
      hn::Store(e, d, row + j + c * kLanes);
      sums[c] = hn::Add(sums[c], e);
    }
  }
  for (; j < count; j += kLanes) {
    const FloatVector e = exponential2(hn::Sub(hn::Load(d, row + j), offset));
    hn::Store(e, d, row + j);
    sums[0] = hn::Add(sums[0], e);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
}

#if HWY_TARGET == HWY_AVX3
float exponentials2_to_bfloat16(const float* HWY_RESTRICT row, std::int64_t count, float factor, float shift,
                                float* HWY_RESTRICT pairs) {
  const Floats d;
  const FloatVector f = hn::Set(d, factor);
  const FloatVector offset = hn::Set(d, shift);
  FloatVector sums[2] = {hn::Zero(d), hn::Zero(d)};
  for (std::int64_t j = 0; j < count; j += 2 * kLanes) {
    const FloatVector low = exponential2(hn::MulSub(hn::Load(d, row + j), f, offset));
    const FloatVector high = exponential2(hn::MulSub(hn::Load(d, row + j + kLanes), f, offset));
    hn::Store(bfloat16_of(low, high), d, pairs + j / 2);
    sums[0] = hn::Add(sums[0], low);
    sums[1] = hn::Add(sums[1], high);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[0], sums[1])));
}
#endif

void scale(float* HWY_RESTRICT row, std::int64_t count, float factor) {
  const Floats d;
  const FloatVector f = hn::Set(d, factor);
  for (std::int64_t j = 0; j < count; j += kLanes) hn::Store(hn::Mul(hn::Load(d, row + j), f), d, row + j);
}

void add(const float* HWY_RESTRICT row, std::int64_t count, float* HWY_RESTRICT sums) {
  const Floats d;
  for (std::int64_t j = 0; j < count; j += kLanes) {
    hn::Store(hn::Add(hn::Load(d, sums + j), hn::Load(d, row + j)), d, sums + j);
  }
}

const RowKernels* row_table() {
  static constexpr RowKernels table {
    .maximum = maximum, .exponentials2 = exponentials2, .scale = scale, .add = add,
#if HWY_TARGET == HWY_AVX3
    .exponentials2_to_bfloat16 = exponentials2_to_bfloat16
#endif
  };
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(row_table);

const RowKernels& row_kernels() {
  apply_simd_environment();
  return *HWY_DYNAMIC_DISPATCH(row_table)();
}

}  // namespace kvscope
#endif
