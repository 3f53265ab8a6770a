#pragma once

#include "collectors/base/element_type.h"

#include <cstdint>

namespace kvscope {

/// Conversion and transposition of tokens for the products, for one instruction set.
struct PackingKernels {
  /// `count` elements of a compute type as float32, exact.
  void (*to_float)(const void* source, ElementType type, std::int64_t count, float* target);
  /// panel[channel * kPanelKeys + t] = rows[t][channel] for kPanelKeys rows.
  void (*pack_key_panel)(const float* const* rows, std::int64_t head_dim, float* panel);
};

/// The kernels of simd_level().
[[nodiscard]] const PackingKernels& packing_kernels();

}  // namespace kvscope
