#pragma once

#include "collectors/base/element_type.h"
#include "collectors/compute/quantisation.h"

#include <cstdint>

namespace kvscope {

/// Conversion and transposition of tokens for the products, for one instruction set.
struct PackingKernels {
  /// `count` elements of a compute type as float32, exact.
  void (*to_float)(const void* source, ElementType type, std::int64_t count, float* target);
  /// panel[channel * kPanelKeys + t] = rows[t][channel] for `n_row` rows, a multiple of kVectorFloats.
  void (*pack_key_panel)(const float* const* rows, std::int64_t n_row, std::int64_t head_dim, float* panel);
  /// Pairs of 16-bit elements in the place of a float: target[j] = (even[j], odd[j]).
  void (*interleave)(const std::uint16_t* even, const std::uint16_t* odd, std::int64_t count, float* target);
  /// quantise() and dequantise().
  std::int64_t (*quantise)(const float* values, CodeParameters parameters, std::int64_t n_channel, std::int8_t* codes);
  void (*dequantise)(const std::int8_t* codes, CodeParameters parameters, std::int64_t n_channel, float* values);
};

/// The kernels of simd_level().
[[nodiscard]] const PackingKernels& packing_kernels();

}  // namespace kvscope
