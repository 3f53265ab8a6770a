#pragma once

#include "collectors/base/element_type.h"
#include "kernels/cuda/element.h"

#include <cstdint>
#include <type_traits>

namespace kvscope::gpu {

/// Calls `body` with a value of the element type: float32, float16 or bfloat16, as the caller has checked.
template <typename Body>
void with_element(ElementType type, const Body& body) {
  switch (type) {
    case ElementType::kFloat32:
      return body(float{});
    case ElementType::kFloat16:
      return body(Float16{});
    default:
      return body(BFloat16{});
  }
}

/// Calls `body` with the head size as a std::integral_constant: 32, 64, 96 or 128, as the caller has checked.
template <typename Body>
void with_head_dim(std::int64_t head_dim, const Body& body) {
  switch (head_dim) {
    case 32:
      return body(std::integral_constant<int, 32>{});
    case 64:
      return body(std::integral_constant<int, 64>{});
    case 96:
      return body(std::integral_constant<int, 96>{});
    default:
      return body(std::integral_constant<int, 128>{});
  }
}

}  // namespace kvscope::gpu
