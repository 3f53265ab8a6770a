#pragma once

#include "kernels/cuda/call_site.h"

#include <cstdint>
#include <type_traits>

#ifndef __CUDACC__
#include <bit>
#endif

namespace kvscope::gpu {

/// The bits of an IEEE half or a bfloat16: kernels keep them in registers and shared memory and compute in float.
struct Float16 {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

/// Whether two elements share a 32-bit register of the tensor cores.
template <typename Element>
inline constexpr bool kIsPacked = !std::is_same_v<Element, float>;

#ifdef __CUDACC__

KVSCOPE_DEVICE float to_float(float value) {
  return value;
}
KVSCOPE_DEVICE float to_float(BFloat16 value) {
  return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
}
KVSCOPE_DEVICE float to_float(Float16 value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}

/// Rounds to nearest, ties to even.
template <typename Element>
KVSCOPE_DEVICE Element round_to(float value) {
  if constexpr (std::is_same_v<Element, float>) {
    return value;
  } else {
    Element result;
    if constexpr (std::is_same_v<Element, BFloat16>) {
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
    } else {
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
    }
    return result;
  }
}

/// Two floats rounded into one register, `low` in the lower half.
template <typename Element>
KVSCOPE_DEVICE std::uint32_t pack2(float low, float high) {
  std::uint32_t result;
  if constexpr (std::is_same_v<Element, BFloat16>) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  }
  return result;
}

#else

[[nodiscard]] float to_float(Float16 value);
[[nodiscard]] inline float to_float(float value) {
  return value;
}
[[nodiscard]] inline float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

[[nodiscard]] Float16 round_to_float16(float value);
[[nodiscard]] BFloat16 round_to_bfloat16(float value);

template <typename Element>
[[nodiscard]] Element round_to(float value) {
  if constexpr (std::is_same_v<Element, float>) {
    return value;
  } else if constexpr (std::is_same_v<Element, BFloat16>) {
    return round_to_bfloat16(value);
  } else {
    return round_to_float16(value);
  }
}

template <typename Element>
[[nodiscard]] std::uint32_t pack2(float low, float high) {
  return static_cast<std::uint32_t>(round_to<Element>(low).bits) |
         (static_cast<std::uint32_t>(round_to<Element>(high).bits) << 16);
}

#endif

}  // namespace kvscope::gpu
