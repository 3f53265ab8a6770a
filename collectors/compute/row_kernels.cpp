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

void fold_maxima(const RowBlock& block, float* largest) {
  const Floats d;
  for (std::int64_t i = 0; i < block.n_row; ++i) {
    const float* row = block.values + i * block.stride;
    FloatVector best = hn::Set(d, largest[i]);
    for (std::int64_t j = 0; j < block.columns; j += kLanes) best = hn::Max(best, hn::Load(d, row + j));
    largest[i] = hn::GetLane(hn::MaxOfLanes(d, best));
  }
}

HWY_INLINE float sum_of_chains(const FloatVector* sums) {
  return hn::GetLane(hn::SumOfLanes(Floats(), hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
}

/// x = 2^(factor * (x - shift)) for a vector of x, which is added to `sum`.
HWY_INLINE void exponentiate(float* x, FloatVector factor, FloatVector shift, FloatVector& sum) {
  const Floats d;
  const FloatVector e = exponential2(hn::Mul(hn::Sub(hn::Load(d, x), shift), factor));
  hn::Store(e, d, x);
  sum = hn::Add(sum, e);
}

void exponentials2(const RowBlock& block, float factor, const float* shifts, float* sums) {
  const Floats d;
  const FloatVector f = hn::Set(d, factor);
  for (std::int64_t i = 0; i < block.n_row; ++i) {
    float* row = block.values + i * block.stride;
    const FloatVector shift = hn::Set(d, shifts[i]);
    FloatVector chains[kChains] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    std::int64_t j = 0;
    for (; j + kChains * kLanes <= block.columns; j += kChains * kLanes) {
      KVSCOPE_UNROLL
      for (int c = 0; c < kChains; ++c) exponentiate(row + j + c * kLanes, f, shift, chains[c]);
    }
    for (; j < block.columns; j += kLanes) exponentiate(row + j, f, shift, chains[0]);
    sums[i] += sum_of_chains(chains);
  }
}

#if HWY_TARGET == HWY_AVX3
void exponentials2_to_bfloat16(const RowBlock& block, float factor, const float* shifts, float* sums, float* pairs,
                               std::int64_t pair_stride) {
  const Floats d;
  const FloatVector f = hn::Set(d, factor);
  for (std::int64_t i = 0; i < block.n_row; ++i) {
    const float* HWY_RESTRICT row = block.values + i * block.stride;
    float* HWY_RESTRICT target = pairs + i * pair_stride;
    const FloatVector shift = hn::Set(d, shifts[i]);
    FloatVector chains[kChains] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    for (std::int64_t j = 0; j < block.columns; j += 2 * kLanes) {
      const FloatVector low = exponential2(hn::Mul(hn::Sub(hn::Load(d, row + j), shift), f));
      const FloatVector high = exponential2(hn::Mul(hn::Sub(hn::Load(d, row + j + kLanes), shift), f));
      hn::Store(bfloat16_of(low, high), d, target + j / 2);
      chains[0] = hn::Add(chains[0], low);
      chains[1] = hn::Add(chains[1], high);
    }
    sums[i] += sum_of_chains(chains);
  }
}
#endif

void scale(const float* row, std::int64_t count, float factor, float* target) {
  const Floats d;
  const FloatVector f = hn::Set(d, factor);
  std::int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) hn::StoreU(hn::Mul(hn::LoadU(d, row + j), f), d, target + j);
  for (; j < count; ++j) target[j] = row[j] * factor;
}

void add(const float* HWY_RESTRICT row, std::int64_t count, float* HWY_RESTRICT sums) {
  const Floats d;
  for (std::int64_t j = 0; j < count; j += kLanes) {
    hn::Store(hn::Add(hn::Load(d, sums + j), hn::Load(d, row + j)), d, sums + j);
  }
}

const RowKernels* row_table() {
  static constexpr RowKernels table {
    .fold_maxima = fold_maxima, .exponentials2 = exponentials2,
#if HWY_TARGET == HWY_AVX3
    .exponentials2_to_bfloat16 = exponentials2_to_bfloat16,
#endif
    .scale = scale, .add = add
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
