// Compiled once per instruction set: foreach_target.h includes this file again for each.
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSSE3)  // no faster here than their neighbours
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "collectors/compute/packing_kernels.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include "collectors/compute/packing_kernels.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/simd_level.h"
#include "collectors/compute/vector_math-inl.h"

#include <algorithm>
#include <bit>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
constexpr std::int64_t kPackTokens = 1;
constexpr std::int64_t kPackChannels = 1;

void pack_block(const float* const* rows, std::int64_t channel, float* HWY_RESTRICT target) {
  *target = rows[0][channel];
}
#else
constexpr std::int64_t kPackTokens = kLanes;
constexpr std::int64_t kPackChannels = 4;

/// Four channels of the rows 0, 4, 8, ... of a vector's worth of tokens, one 128-bit block each.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const float* const* rows, std::int64_t channel) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, rows[0] + channel);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_blocks(half, rows + hn::MaxLanes(D()) / 2, channel), load_blocks(half, rows, channel));
  }
}

/// Transposes a vector's worth of tokens x 4 channels in registers: 4 x 4 within each 128-bit block.
HWY_INLINE void pack_block(const float* const* rows, std::int64_t channel, float* HWY_RESTRICT target) {
  const Floats d;
  const hn::RepartitionToWide<Floats> wide;
  const auto r0 = load_blocks(d, rows, channel);
  const auto r1 = load_blocks(d, rows + 1, channel);
  const auto r2 = load_blocks(d, rows + 2, channel);
  const auto r3 = load_blocks(d, rows + 3, channel);
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

void pack_key_panel(const float* const* rows, std::int64_t n_row, std::int64_t head_dim, float* HWY_RESTRICT panel) {
  const std::int64_t blocked = head_dim - head_dim % kPackChannels;
  for (std::int64_t t = 0; t < n_row; t += kPackTokens) {
    for (std::int64_t channel = 0; channel < blocked; channel += kPackChannels) {
      pack_block(rows + t, channel, panel + channel * kPanelKeys + t);
    }
    for (std::int64_t channel = blocked; channel < head_dim; ++channel) {
      for (std::int64_t i = 0; i < kPackTokens; ++i) panel[channel * kPanelKeys + t + i] = rows[t + i][channel];
    }
  }
}

void interleave(const std::uint16_t* even, const std::uint16_t* odd, std::int64_t count, float* target) {
  const hn::Repartition<std::uint32_t, Floats> d;
  const hn::Rebind<std::uint16_t, decltype(d)> half;
  std::int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    const auto low = hn::PromoteTo(d, hn::LoadU(half, even + j));
    const auto high = hn::PromoteTo(d, hn::LoadU(half, odd + j));
    const auto pairs = hn::Or(low, hn::ShiftLeft<16>(high));
    hn::StoreU(hn::BitCast(Floats(), pairs), Floats(), target + j);
  }
  for (; j < count; ++j) {
    target[j] = std::bit_cast<float>(std::uint32_t{even[j]} | std::uint32_t{odd[j]} << 16);
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

using Codes = hn::Rebind<std::int8_t, Floats>;

/// A vector's worth of channels; adds up how many saturated.
HWY_INLINE hn::Vec<Codes> quantise_channels(FloatVector values, FloatVector scale, FloatVector offset,
                                            std::int64_t& saturated) {
  const Floats d;
  const FloatVector steps = hn::Round(hn::Div(hn::Sub(values, offset), scale));
  const FloatVector rounded = hn::IfThenElseZero(hn::Eq(steps, steps), steps);
  const FloatVector clipped = hn::Min(hn::Max(rounded, hn::Set(d, -128.0F)), hn::Set(d, 127.0F));
  saturated += static_cast<std::int64_t>(hn::CountTrue(d, hn::Ne(rounded, clipped)));
  return hn::DemoteTo(Codes(), hn::ConvertTo(hn::RebindToSigned<Floats>(), clipped));
}

HWY_INLINE FloatVector dequantise_channels(hn::Vec<Codes> codes, FloatVector scale, FloatVector offset) {
  const FloatVector steps = hn::ConvertTo(Floats(), hn::PromoteTo(hn::RebindToSigned<Floats>(), codes));
  return hn::Add(hn::Mul(steps, scale), offset);
}

/// The parameters of the channels after the last whole vector, filled up with code 0 for value 0.
struct PaddedParameters {
  HWY_ALIGN float scale[kLanes];
  HWY_ALIGN float offset[kLanes] = {};

  PaddedParameters(CodeParameters parameters, std::int64_t first, std::int64_t count) {
    std::fill_n(scale, kLanes, 1.0F);
    std::copy_n(parameters.scale + first, count, scale);
    std::copy_n(parameters.offset + first, count, offset);
  }
};

std::int64_t quantise_token(const float* values, CodeParameters parameters, std::int64_t n_channel,
                            std::int8_t* codes) {
  const Floats d;
  std::int64_t saturated = 0;
  std::int64_t i = 0;
  for (; i + kLanes <= n_channel; i += kLanes) {
    hn::StoreU(quantise_channels(hn::LoadU(d, values + i), hn::LoadU(d, parameters.scale + i),
                                 hn::LoadU(d, parameters.offset + i), saturated),
               Codes(), codes + i);
  }
  if (i == n_channel) return saturated;
  const PaddedParameters rest(parameters, i, n_channel - i);
  HWY_ALIGN float padded[kLanes] = {};
  HWY_ALIGN std::int8_t quantised[kLanes];
  std::copy_n(values + i, n_channel - i, padded);
  hn::Store(quantise_channels(hn::Load(d, padded), hn::Load(d, rest.scale), hn::Load(d, rest.offset), saturated),
            Codes(), quantised);
  std::copy_n(quantised, n_channel - i, codes + i);
  return saturated;
}

void dequantise_token(const std::int8_t* codes, CodeParameters parameters, std::int64_t n_channel, float* values) {
  const Floats d;
  std::int64_t i = 0;
  for (; i + kLanes <= n_channel; i += kLanes) {
    hn::StoreU(dequantise_channels(hn::LoadU(Codes(), codes + i), hn::LoadU(d, parameters.scale + i),
                                   hn::LoadU(d, parameters.offset + i)),
               d, values + i);
  }
  if (i == n_channel) return;
  const PaddedParameters rest(parameters, i, n_channel - i);
  HWY_ALIGN std::int8_t padded[kLanes] = {};
  HWY_ALIGN float dequantised[kLanes];
  std::copy_n(codes + i, n_channel - i, padded);
  hn::Store(dequantise_channels(hn::Load(Codes(), padded), hn::Load(d, rest.scale), hn::Load(d, rest.offset)), d,
            dequantised);
  std::copy_n(dequantised, n_channel - i, values + i);
}

const PackingKernels* packing_table() {
  static constexpr PackingKernels table{.to_float = to_float,
                                        .pack_key_panel = pack_key_panel,
                                        .interleave = interleave,
                                        .quantise = quantise_token,
                                        .dequantise = dequantise_token};
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvscope {

HWY_EXPORT(packing_table);

const PackingKernels& packing_kernels() {
  apply_simd_environment();
  return *HWY_DYNAMIC_DISPATCH(packing_table)();
}

}  // namespace kvscope
#endif
