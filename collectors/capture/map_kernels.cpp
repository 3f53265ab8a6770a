// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/capture/map_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/capture/map_kernels.h"
#include "collectors/compute/simd_level.h"
#include "collectors/compute/vector_math-inl.h"

#include <algorithm>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {

using Doubles = hn::ScalableTag<double>;
using HalfFloats = hn::Rebind<float, Doubles>;  // as many floats as fit one vector of doubles

/// kVectors vectors of doubles side by side: their sums stay in registers over all rows.
template <int kVectors>
HWY_INLINE void add_columns(const float* HWY_RESTRICT strip, std::int64_t stride, std::int64_t rows,
                            double* HWY_RESTRICT sums, double* HWY_RESTRICT squares) {
  const Doubles d;
  const HalfFloats half;
  constexpr std::int64_t kDoubleLanes = HWY_LANES(double);
  hn::Vec<Doubles> sum[kVectors];
  hn::Vec<Doubles> square[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = hn::LoadU(d, sums + v * kDoubleLanes);
    square[v] = hn::LoadU(d, squares + v * kDoubleLanes);
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const auto weight = hn::PromoteTo(d, hn::LoadU(half, strip + i * stride + v * kDoubleLanes));
      sum[v] = hn::Add(sum[v], weight);
      square[v] = hn::MulAdd(weight, weight, square[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    hn::StoreU(sum[v], d, sums + v * kDoubleLanes);
    hn::StoreU(square[v], d, squares + v * kDoubleLanes);
  }
}

static void add_column_moments(const float* strip, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                               double* sums, double* squares) {
  constexpr int kVectors = 4;  // 4 + 4 sums and a weight fit 16 registers; 4 vectors divide 64 columns
  constexpr std::int64_t kStep = kVectors * HWY_LANES(double);
  for (std::int64_t j = 0; j < columns; j += kStep)
    add_columns<kVectors>(strip + j, stride, rows, sums + j, squares + j);
}

/// ln x for normal x > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln x = e ln 2 + r P(r) with r = m - 1. P is
/// the minimax polynomial of degree 7 for the relative error (2e-7), also near x = 1.
HWY_INLINE hn::Vec<Floats> logarithm(hn::Vec<Floats> x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const auto bits = hn::BitCast(di, x);
  // Counted from the bits of sqrt(1/2), the exponent field changes where m would leave its interval.
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3F3504F3)));
  const auto m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const auto r = hn::Sub(m, hn::Set(d, 1.0F));
  auto p = hn::MulAdd(hn::Set(d, -0.101068892F), r, hn::Set(d, 0.162225842F));
  p = hn::MulAdd(p, r, hn::Set(d, -0.172508329F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.199001655F));
  p = hn::MulAdd(p, r, hn::Set(d, -0.249699086F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.333350599F));
  p = hn::MulAdd(p, r, hn::Set(d, -0.500003636F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.99999994F));
  return hn::MulAdd(hn::ConvertTo(d, exponent), hn::Set(d, 0.693147181F), hn::Mul(p, r));
}

static float entropy(const float* HWY_RESTRICT row, std::int64_t count) {
  const Floats d;
  constexpr int kChains = 4;  // 4 vectors divide 64 columns on every target
  // The logarithm of 0 need only be finite.
  const auto smallest = hn::Set(d, std::numeric_limits<float>::min());
  hn::Vec<Floats> sums[kChains] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (std::int64_t j = 0; j < count; j += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const auto weight = hn::Load(d, row + j + c * kLanes);
      sums[c] = hn::NegMulAdd(weight, logarithm(hn::Max(weight, smallest)), sums[c]);
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
}

/// sums[x] += weights[x] for x < width.
HWY_INLINE void add_line(const float* HWY_RESTRICT weights, std::int64_t width, float* HWY_RESTRICT sums) {
  const Floats d;
  std::int64_t x = 0;
  for (; x + kLanes <= width; x += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, sums + x), hn::LoadU(d, weights + x)), d, sums + x);
  }
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  if (x == width) return;
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(width - x));
  const auto sum = hn::Add(hn::MaskedLoad(rest, d, sums + x), hn::MaskedLoad(rest, d, weights + x));
  hn::BlendedStore(sum, rest, d, sums + x);
#else
  for (; x < width; ++x) sums[x] += weights[x];
#endif
}

static void add_lines(const GridLines& lines) {
  const float* weights = lines.weights;
  for (std::int64_t y = 0; y < lines.lines; ++y, weights += lines.width) {
    const std::int64_t row = std::clamp<std::int64_t>(y + lines.first_row, 0, lines.last_row);
    add_line(weights, lines.width, lines.sums + row * lines.stride);
  }
}

static OutputErrors add_output(const OutputRows& rows, double* HWY_RESTRICT sums) {
  const Doubles d;
  const HalfFloats half;
  constexpr std::int64_t kDoubleLanes = HWY_LANES(double);
  const std::int64_t blocked = rows.channels - rows.channels % kDoubleLanes;
  auto error = hn::Zero(d);
  auto norm = hn::Zero(d);
  OutputErrors errors;
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const float* output = rows.output + i * rows.channels;
    // Without an expectation the output is its own; the errors are then 0, and so is the norm in the end.
    const float* expected = rows.expected == nullptr ? output : rows.expected + i * rows.channels;
    for (std::int64_t c = 0; c < blocked; c += kDoubleLanes) {
      const auto own = hn::PromoteTo(d, hn::LoadU(half, output + c));
      const auto wanted = hn::PromoteTo(d, hn::LoadU(half, expected + c));
      const auto difference = hn::Sub(own, wanted);
      hn::StoreU(hn::Add(hn::LoadU(d, sums + c), own), d, sums + c);
      error = hn::MulAdd(difference, difference, error);
      norm = hn::MulAdd(wanted, wanted, norm);
    }
    for (std::int64_t c = blocked; c < rows.channels; ++c) {
      const auto wanted = static_cast<double>(expected[c]);
      const double difference = static_cast<double>(output[c]) - wanted;
      sums[c] += static_cast<double>(output[c]);
      errors.squared_error += difference * difference;
      errors.squared_norm += wanted * wanted;
    }
  }
  if (rows.expected == nullptr) return {};
  errors.squared_error += hn::GetLane(hn::SumOfLanes(d, error));
  errors.squared_norm += hn::GetLane(hn::SumOfLanes(d, norm));
  return errors;
}

static double square_norm(const float* HWY_RESTRICT row, std::int64_t count) {
  const Doubles d;
  const HalfFloats half;
  constexpr std::int64_t kDoubleLanes = HWY_LANES(double);
  auto sum = hn::Zero(d);
  std::int64_t c = 0;
  for (; c + kDoubleLanes <= count; c += kDoubleLanes) {
    const auto value = hn::PromoteTo(d, hn::LoadU(half, row + c));
    sum = hn::MulAdd(value, value, sum);
  }
  double square = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < count; ++c) square += static_cast<double>(row[c]) * static_cast<double>(row[c]);
  return square;
}

const MapKernels* map_kernel_table() {
  static constexpr MapKernels table{.add_column_moments = add_column_moments,
                                    .entropy = entropy,
                                    .add_lines = add_lines,
                                    .add_output = add_output,
                                    .square_norm = square_norm};
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
