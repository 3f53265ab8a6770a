// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/compute/strip_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/simd_level.h"
#include "collectors/compute/strip_kernels.h"

#include <hwy/highway.h>

#include <bit>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;
constexpr std::int64_t kLanes = HWY_LANES(float);
static_assert(kChannelStep % kLanes == 0, "a vector must not be longer than the padding");

// Queries per register tile, and vectors per row of it. 32 registers: 6 x 4 sums, 4 of b, 1 of a.
// 16 registers: 6 x 2 sums, 2 of b, 1 of a.
constexpr int kTileRows = 6;
constexpr int kTileVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;

#if HWY_COMPILER_GCC_ACTUAL
#define KVSCOPE_UNROLL _Pragma("GCC unroll 8")
#else
#define KVSCOPE_UNROLL _Pragma("unroll")
#endif

/// One register tile of a product: kRows x (kVectors * kLanes) sums over the whole depth.
template <int kRows, int kVectors>
HWY_INLINE void multiply_tile(const Product& p, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                              float* HWY_RESTRICT c) {
  const Floats d;
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
    for (int v = 0; v < kVectors; ++v) right[v] = hn::Load(d, b + v * kLanes);
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
    for (int v = 0; v < kVectors; ++v) hn::Store(sums[row][v], d, c + row * p.c_stride + v * kLanes);
  }
}

/// All rows of the columns [column, column + kVectors * kLanes).
template <int kVectors>
void multiply_columns(const Product& p, std::int64_t column) {
  const float* b = p.b + column;
  std::int64_t row = 0;
  for (; row + kTileRows <= p.rows; row += kTileRows) {
    multiply_tile<kTileRows, kVectors>(p, p.a + row * p.a_stride, b, p.c + row * p.c_stride + column);
  }
  const float* a = p.a + row * p.a_stride;
  float* c = p.c + row * p.c_stride + column;
  switch (p.rows - row) {
    case 5:
      return multiply_tile<5, kVectors>(p, a, b, c);
    case 4:
      return multiply_tile<4, kVectors>(p, a, b, c);
    case 3:
      return multiply_tile<3, kVectors>(p, a, b, c);
    case 2:
      return multiply_tile<2, kVectors>(p, a, b, c);
    case 1:
      return multiply_tile<1, kVectors>(p, a, b, c);
    default:
      return;
  }
}

void multiply(const Product& p) {
  std::int64_t column = 0;
  for (; column + kTileVectors * kLanes <= p.columns; column += kTileVectors * kLanes) {
    multiply_columns<kTileVectors>(p, column);
  }
  // What is left of a narrow last panel: at most kTileVectors - 1 vectors.
  switch ((p.columns - column) / kLanes) {
    case 3:
      return multiply_columns<3>(p, column);
    case 2:
      return multiply_columns<2>(p, column);
    case 1:
      return multiply_columns<1>(p, column);
    default:
      return;
  }
}

/// exp(x) for x <= 0: x = n ln 2 + r with |r| <= ln(2)/2, exp(r) = 1 + r + r^2 P(r), times 2^n. P is the
/// minimax polynomial of degree 4 for the relative error (3e-9, below float's rounding). Below
/// -87 (where 2^n would leave the normal range) the result is 0; not-a-number stays.
HWY_INLINE FloatVector exponential(FloatVector x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low mantissa bits; 127 is the
  // exponent's bias.
  const FloatVector magic = hn::Set(d, 12582912.0F + 127.0F);
  const FloatVector shifted = hn::MulAdd(x, hn::Set(d, 1.44269504F), magic);
  const FloatVector n = hn::Sub(shifted, magic);
  // ln 2 in two parts, so that n * high is exact.
  FloatVector r = hn::NegMulAdd(n, hn::Set(d, 0.693145752F), x);
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6F), r);
  FloatVector polynomial = hn::MulAdd(hn::Set(d, 0.00138145406F), r, hn::Set(d, 0.00836874545F));
  polynomial = hn::MulAdd(polynomial, r, hn::Set(d, 0.04166838899F));
  polynomial = hn::MulAdd(polynomial, r, hn::Set(d, 0.16666521132F));
  polynomial = hn::MulAdd(polynomial, r, hn::Set(d, 0.49999994040F));
  polynomial = hn::MulAdd(polynomial, hn::Mul(r, r), hn::Add(r, hn::Set(d, 1.0F)));
  const FloatVector power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Mul(polynomial, power));
}

float maximum(const float* HWY_RESTRICT row, std::int64_t count) {
  const Floats d;
  constexpr int kChains = 4;  // 4 * kLanes divides kPanelKeys
  FloatVector best[kChains];
  for (int c = 0; c < kChains; ++c) best[c] = hn::Load(d, row + c * kLanes);
  for (std::int64_t j = 0; j < count; j += kChains * kLanes) {
    KVSCOPE_UNROLL
    for (int c = 0; c < kChains; ++c) best[c] = hn::Max(best[c], hn::Load(d, row + j + c * kLanes));
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(best[0], best[1]), hn::Max(best[2], best[3]))));
}

float exponentials(float* HWY_RESTRICT row, std::int64_t count, float shift) {
  const Floats d;
  constexpr int kChains = 4;
  const FloatVector offset = hn::Set(d, shift);
  FloatVector sums[kChains] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  for (std::int64_t j = 0; j < count; j += kChains * kLanes) {
    KVSCOPE_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const FloatVector e = exponential(hn::Sub(hn::Load(d, row + j + c * kLanes), offset));
      hn::Store(e, d, row + j + c * kLanes);
      sums[c] = hn::Add(sums[c], e);
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
}

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

#if HWY_TARGET == HWY_SCALAR
constexpr std::int64_t kPackStep = 1;

void pack_block(const float* const* rows, std::int64_t channel, float* HWY_RESTRICT target) {
  *target = rows[0][channel];
}
#else
constexpr std::int64_t kPackStep = 4;

/// Transposes 4 tokens x 4 channels in registers.
HWY_INLINE void pack_block(const float* const* rows, std::int64_t channel, float* HWY_RESTRICT target) {
  const hn::CappedTag<float, 4> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  const auto r0 = hn::LoadU(d, rows[0] + channel);
  const auto r1 = hn::LoadU(d, rows[1] + channel);
  const auto r2 = hn::LoadU(d, rows[2] + channel);
  const auto r3 = hn::LoadU(d, rows[3] + channel);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
  hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, target);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, target + kPanelKeys);
  hn::Store(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, target + 2 * kPanelKeys);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, target + 3 * kPanelKeys);
}
#endif

void pack_key_panel(const float* const* rows, std::int64_t head_dim, float* HWY_RESTRICT panel) {
  const std::int64_t blocked = head_dim - head_dim % kPackStep;
  for (std::int64_t t = 0; t < kPanelKeys; t += kPackStep) {
    for (std::int64_t channel = 0; channel < blocked; channel += kPackStep) {
      pack_block(rows + t, channel, panel + channel * kPanelKeys + t);
    }
    for (std::int64_t channel = blocked; channel < head_dim; ++channel) {
      for (std::int64_t i = 0; i < kPackStep; ++i) panel[channel * kPanelKeys + t + i] = rows[t + i][channel];
    }
  }
}

template <typename Half>
void half_to_float(const Half* source, std::int64_t count, float* target) {
  const Floats d;
  const hn::Rebind<Half, Floats> half;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, source + i)), d, target + i);
  if (i == count) return;
  // The rest through a padded copy, so that nothing beyond `count` is read or written.
  HWY_ALIGN Half padded[kLanes] = {};
  HWY_ALIGN float promoted[kLanes];
  std::memcpy(padded, source + i, static_cast<std::size_t>(count - i) * sizeof(Half));
  hn::Store(hn::PromoteTo(d, hn::Load(half, padded)), d, promoted);
  std::memcpy(target + i, promoted, static_cast<std::size_t>(count - i) * sizeof(float));
}

#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
/// Without an instruction for it: Highway 1.0.3 emulates the finite values only.
void float16_to_float(const void* source, std::int64_t count, float* target) {
  const auto* half = static_cast<const std::uint16_t*>(source);
  for (std::int64_t i = 0; i < count; ++i) {
    // The exponent's bias is 15 there and 127 here; the product also normalises subnormal values.
    const float magnitude = std::bit_cast<float>((half[i] & 0x7FFFU) << 13) * 0x1p112F;
    const std::uint32_t special = (half[i] & 0x7C00U) == 0x7C00U ? 0x7F800000U : 0U;
    const std::uint32_t sign = (half[i] & 0x8000U) << 16;
    target[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | special | sign);
  }
}
#else
void float16_to_float(const void* source, std::int64_t count, float* target) {
  half_to_float(static_cast<const hwy::float16_t*>(source), count, target);
}
#endif

void to_float(const void* source, ElementType type, std::int64_t count, float* target) {
  if (type == ElementType::kBFloat16) return half_to_float(static_cast<const hwy::bfloat16_t*>(source), count, target);
  if (type == ElementType::kFloat16) return float16_to_float(source, count, target);
  std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(float));
}

const StripKernels* kernels() {
  static constexpr StripKernels table{.to_float = to_float,
                                      .pack_key_panel = pack_key_panel,
                                      .multiply = multiply,
                                      .maximum = maximum,
                                      .exponentials = exponentials,
                                      .scale = scale,
                                      .add = add};
  return &table;
}

#undef KVSCOPE_UNROLL

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(kernels);

const StripKernels& strip_kernels() {
  apply_simd_environment();
  return *HWY_DYNAMIC_DISPATCH(kernels)();
}

}  // namespace kvscope
#endif
