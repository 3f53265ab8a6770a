// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/capture/map_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/capture/map_kernels.h"
#include "collectors/compute/simd_level.h"

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Doubles = hn::ScalableTag<double>;
using HalfFloats = hn::Rebind<float, Doubles>;  // as many floats as fit one vector of doubles

/// kVectors vectors of doubles side by side: their sums stay in registers over all rows.
template <int kVectors>
HWY_INLINE void add_columns(const float* HWY_RESTRICT strip, std::int64_t stride, std::int64_t rows,
                            double* HWY_RESTRICT sums, double* HWY_RESTRICT squares) {
  const Doubles d;
  const HalfFloats half;
  constexpr std::int64_t kLanes = HWY_LANES(double);
  hn::Vec<Doubles> sum[kVectors];
  hn::Vec<Doubles> square[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = hn::LoadU(d, sums + v * kLanes);
    square[v] = hn::LoadU(d, squares + v * kLanes);
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const auto weight = hn::PromoteTo(d, hn::LoadU(half, strip + i * stride + v * kLanes));
      sum[v] = hn::Add(sum[v], weight);
      square[v] = hn::MulAdd(weight, weight, square[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(sum[v], d, sums + v * kLanes);
    hn::StoreU(square[v], d, squares + v * kLanes);
  }
}

static void add_column_moments(const float* strip, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                               double* sums, double* squares) {
  constexpr int kVectors = 4;  // 4 + 4 sums and a weight fit 16 registers; 4 vectors divide 64 columns
  constexpr std::int64_t kStep = kVectors * HWY_LANES(double);
  for (std::int64_t j = 0; j < columns; j += kStep)
    add_columns<kVectors>(strip + j, stride, rows, sums + j, squares + j);
}

static float entropy(const float* HWY_RESTRICT row, std::int64_t count) {
  const Floats d;
  constexpr std::int64_t kLanes = HWY_LANES(float);
  constexpr int kChains = 2;  // 2 vectors divide 64 columns on every target
  hn::Vec<Floats> sums[kChains] = {hn::Zero(d), hn::Zero(d)};
  for (std::int64_t j = 0; j < count; j += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const auto weight = hn::Load(d, row + j + c * kLanes);
      const auto is_zero = hn::Eq(weight, hn::Zero(d));
      const auto logarithm = hn::Log(d, hn::IfThenElse(is_zero, hn::Set(d, 1.0F), weight));
      sums[c] = hn::NegMulAdd(weight, logarithm, sums[c]);
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sums[0], sums[1])));
}

const MapKernels* map_kernel_table() {
  static constexpr MapKernels table{.add_column_moments = add_column_moments, .entropy = entropy};
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(map_kernel_table);

const MapKernels& map_kernels() {
  apply_simd_environment();
  return *HWY_DYNAMIC_DISPATCH(map_kernel_table)();
}

}  // namespace kvscope
#endif
