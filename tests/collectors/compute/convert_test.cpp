#include "collectors/compute/convert.h"

#include "collectors/compute/simd_level.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

TEST_SUITE_BEGIN("collectors.convert");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// The value of a float16 by its definition (IEEE 754-2008, binary16).
float float16_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
  if (exponent == 31) return mantissa != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

float bfloat16_value(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

std::vector<std::uint16_t> all_halves() {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  return all;
}

std::uint16_t to_half(float value, ElementType type) {
  std::uint16_t result = 0;
  convert_from_float(&value, 1, type, &result);
  return result;
}

}  // namespace

TEST_CASE("every float16 and bfloat16 becomes its exact value and comes back") {
  const auto all = all_halves();
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const ElementType type : {ElementType::kFloat16, ElementType::kBFloat16}) {
      std::vector<float> values(all.size());
      convert_to_float(all.data(), type, 65536, values.data());
      std::vector<std::uint16_t> back(all.size());
      convert_from_float(values.data(), 65536, type, back.data());
      int wrong = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        const float expected = type == ElementType::kFloat16 ? float16_value(all[i]) : bfloat16_value(all[i]);
        if (std::isnan(expected)) {
          wrong += !std::isnan(values[i]) ? 1 : 0;
        } else {
          wrong += std::bit_cast<std::uint32_t>(values[i]) != std::bit_cast<std::uint32_t>(expected) ? 1 : 0;
          wrong += back[i] != all[i] ? 1 : 0;
        }
      }
      CHECK(wrong == 0);
    }
  }
  force_simd_level("");
}

TEST_CASE("halfway values round to even and too large ones to infinity") {
  CHECK(to_half(1.0F + 1.0F / 2048, ElementType::kFloat16) == 0x3C00);
  CHECK(to_half(1.0F + 3.0F / 2048, ElementType::kFloat16) == 0x3C02);
  CHECK(to_half(65504.0F, ElementType::kFloat16) == 0x7BFF);
  CHECK(to_half(65520.0F, ElementType::kFloat16) == 0x7C00);
  CHECK(to_half(1e9F, ElementType::kFloat16) == 0x7C00);
  CHECK(to_half(std::ldexp(1.0F, -25), ElementType::kFloat16) == 0);
  CHECK(to_half(std::ldexp(1.5F, -25), ElementType::kFloat16) == 1);
  CHECK(to_half(1.0F + 1.0F / 256, ElementType::kBFloat16) == 0x3F80);
  CHECK(to_half(1.0F + 3.0F / 256, ElementType::kBFloat16) == 0x3F82);
  CHECK(to_half(std::numeric_limits<float>::max(), ElementType::kBFloat16) == 0x7F80);
}

TEST_CASE("every count around a vector converts nothing beyond its end") {
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (std::int64_t count = 0; count <= 33; ++count) {
      CAPTURE(count);
      const std::vector<std::uint16_t> half(static_cast<std::size_t>(count), 0x3C00);
      std::vector<float> target(40, -1.0F);
      convert_to_float(half.data(), ElementType::kFloat16, count, target.data());
      for (std::int64_t i = 0; i < 40; ++i) CHECK(target[static_cast<std::size_t>(i)] == (i < count ? 1.0F : -1.0F));
    }
  }
  force_simd_level("");
}

TEST_CASE("other element types are refused") {
  std::int64_t value = 0;
  float target = 0;
  check_error(
      ErrorCode::kUsage, [&] { convert_to_float(&value, ElementType::kInt64, 1, &target); }, "float32");
}

TEST_SUITE_END();
