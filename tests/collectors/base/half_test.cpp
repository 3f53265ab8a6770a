#include "collectors/base/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using namespace kvscope;

namespace {

/// The finite 16-bit number nearest to `value` by trying them all; on a tie the one with an even mantissa.
template <typename Value>
std::uint16_t nearest(float value, std::uint16_t largest_finite, Value value_of) {
  std::uint16_t best = 0;
  double best_distance = std::numeric_limits<double>::infinity();
  for (std::uint32_t bits = 0; bits <= largest_finite; ++bits) {
    const double distance = std::fabs(static_cast<double>(value_of(static_cast<std::uint16_t>(bits))) - value);
    if (distance < best_distance || (distance == best_distance && bits % 2 == 0)) {
      best = static_cast<std::uint16_t>(bits);
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace

TEST_SUITE("collectors.base.half") {
  TEST_CASE("float16 has the values of IEEE binary16") {
    CHECK(float_of_float16(0x3C00) == 1.0F);
    CHECK(float_of_float16(0xC000) == -2.0F);
    CHECK(float_of_float16(0x7BFF) == 65504.0F);
    CHECK(float_of_float16(0x0001) == 0x1p-24F);
    CHECK(float_of_float16(0x03FF) == 1023 * 0x1p-24F);
    CHECK(float_of_float16(0x0400) == 0x1p-14F);
    CHECK(std::signbit(float_of_float16(0x8000)));
    CHECK(std::isinf(float_of_float16(0xFC00)));
    CHECK(std::isnan(float_of_float16(0x7E01)));
    CHECK(float_of_bfloat16(0x3F80) == 1.0F);
    CHECK(float_of_bfloat16(0xC040) == -3.0F);
  }

  TEST_CASE("every 16-bit number survives the way to float and back") {
    for (std::uint32_t i = 0; i < 0x10000; ++i) {
      const auto bits = static_cast<std::uint16_t>(i);
      if (!std::isnan(float_of_float16(bits))) REQUIRE(float16_bits(float_of_float16(bits)) == bits);
      if (!std::isnan(float_of_bfloat16(bits))) REQUIRE(bfloat16_bits(float_of_bfloat16(bits)) == bits);
    }
  }

  TEST_CASE("rounding takes the nearest number and the even one on ties") {
    for (const float value : {2049.0F, 2051.0F, 2050.5F, 1e-5F, 0.1F, 3.14159F, 65519.0F, 0x1.8p-24F, 0x1p-25F,
                              0x1.000002p-25F, 0x1.ffep-15F, 0x1.fffp-15F, 0x1.ffdp-15F}) {
      CAPTURE(value);
      CHECK(float16_bits(value) == nearest(value, 0x7BFF, float_of_float16));
      CHECK(float16_bits(-value) == (nearest(value, 0x7BFF, float_of_float16) | 0x8000));
      CHECK(bfloat16_bits(value) == nearest(value, 0x7F7F, float_of_bfloat16));
    }
  }

  TEST_CASE("what is too large becomes infinite and NaN stays NaN") {
    CHECK(float16_bits(65520.0F) == 0x7C00);
    CHECK(float16_bits(-1e30F) == 0xFC00);
    CHECK(bfloat16_bits(std::numeric_limits<float>::max()) == 0x7F80);
    CHECK(std::isnan(float_of_float16(float16_bits(std::numeric_limits<float>::quiet_NaN()))));
    CHECK(std::isnan(float_of_bfloat16(bfloat16_bits(std::numeric_limits<float>::quiet_NaN()))));
  }
}
