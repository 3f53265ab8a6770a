#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace kvscope {

/// Bits of the IEEE binary16 number nearest to `value`, ties to even; beyond 65520 an infinity, NaN stays NaN.
[[nodiscard]] inline std::uint16_t float16_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const float magnitude = std::fabs(value);
  if (!(magnitude < 65520.0F)) return static_cast<std::uint16_t>(sign | (std::isnan(value) ? 0x7E00U : 0x7C00U));
  if (magnitude < 0x1p-14F) {
    // Subnormal: adding 1/2 leaves exactly the bits worth 2^-24 and more, rounded by the addition itself.
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(magnitude + 0.5F) - 0x3F000000U));
  }
  // Rebias the exponent from 127 to 15, then drop 13 bits of the mantissa: half minus the even case rounds.
  const std::uint32_t rebiased = std::bit_cast<std::uint32_t>(magnitude) - (112U << 23);
  return static_cast<std::uint16_t>(sign | ((rebiased + 0xFFFU + ((rebiased >> 13) & 1U)) >> 13));
}

/// The value of a binary16 number; exact.
[[nodiscard]] inline float float_of_float16(std::uint16_t bits) noexcept {
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  const std::uint32_t magnitude = bits & 0x7FFFU;
  if (magnitude < 0x0400U) return sign * static_cast<float>(magnitude) * 0x1p-24F;
  const std::uint32_t exponent = magnitude >= 0x7C00U ? 255U : (magnitude >> 10) + 112U;
  return sign * std::bit_cast<float>(exponent << 23 | (magnitude & 0x3FFU) << 13);
}

/// Bits of the bfloat16 number nearest to `value`, ties to even; NaN stays NaN.
[[nodiscard]] inline std::uint16_t bfloat16_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// The value of a bfloat16 number; exact.
[[nodiscard]] inline float float_of_bfloat16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace kvscope
