#pragma once

#include "collectors/base/element_type.h"

#include <cstdint>

namespace kvscope {

/// Whether kernels read and write this type: float32, float16, bfloat16.
[[nodiscard]] constexpr bool is_compute_type(ElementType type) noexcept {
  return type == ElementType::kFloat32 || type == ElementType::kFloat16 || type == ElementType::kBFloat16;
}

/// `count` adjacent elements of a compute type as float32; exact.
void convert_to_float(const void* source, ElementType type, std::int64_t count, float* target);

/// `count` float32 values in a compute type, rounded to nearest, ties to even; not-a-number stays so,
/// too large becomes infinity.
void convert_from_float(const float* source, std::int64_t count, ElementType type, void* target);

}  // namespace kvscope
