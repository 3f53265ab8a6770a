#include "reports/atlas/encoding.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace kvscope {
namespace {

TEST_SUITE("reports.encoding") {
  TEST_CASE("weights come back within the error that is stated") {
    for (const int bits : {8, 16}) {
      CAPTURE(bits);
      const WeightCodes codes(bits);
      double worst = 0.0;
      for (double weight = codes.floor(); weight <= 1.0; weight *= 1.0001) {
        const double back = codes.weight(codes.code(static_cast<float>(weight)));
        worst = std::max(worst, std::abs(back - weight) / weight);
      }
      CHECK(worst <= codes.relative_error() + 1e-6);  // float32 of the weight itself: 6e-8
      CHECK(worst > 0.9 * codes.relative_error());
      CHECK(codes.relative_error() < (bits == 8 ? 0.028 : 1.5e-4));
    }
  }

  TEST_CASE("the ends of the range are exact and codes rise with the weight") {
    const WeightCodes codes(8);
    CHECK(codes.code(0.0F) == 0);
    CHECK(codes.code(0.9e-6F) == 0);
    CHECK(codes.code(1.01e-6F) == 1);
    CHECK(codes.code(1.0F) == 255);
    CHECK(codes.code(1.5F) == 255);
    CHECK(codes.code(std::numeric_limits<float>::quiet_NaN()) == 0);
    CHECK(codes.weight(255) == 1.0);
    CHECK(codes.weight(1) == doctest::Approx(1e-6));
    CHECK(codes.weight(0) == 0.0);
    for (int code = 1; code < 256; ++code) {
      CHECK(codes.code(static_cast<float>(codes.weight(static_cast<std::uint16_t>(code)))) == code);
    }
  }

  TEST_CASE("codes are little-endian bytes in base64") {
    CHECK(WeightCodes(8).base64_of(std::vector<float>{0.0F, 1.0F}) == "AP8=");
    CHECK(WeightCodes(16).base64_of(std::vector<float>{1.0F, 0.0F}) == "//8AAA==");
    CHECK(shares_base64(std::vector<float>{0.0F, 1.0F, -1.0F}) == "AAD//wAA");
    CHECK(float_array(std::vector<float>{1.0F}, {1})["data"] == "AACAPw==");
  }

  TEST_CASE("a bit set has one bit for each place") {
    CHECK(bit_set_base64(std::vector<std::int32_t>{0, 7, 8}, 9) == "gQE=");
    CHECK(bit_set_base64(std::vector<std::int32_t>{}, 3) == "AA==");
    CHECK(bit_set_base64(std::vector<std::int32_t>{-1, 3}, 3) == "AA==");
  }

  TEST_CASE("JSON inside of a script cannot end it") {
    const Json json{{"path", "</script><!--<script>&"}};
    const std::string text = script_json(json);
    CHECK(text.find_first_of("<>&") == std::string::npos);
    CHECK(parse_json(text, "text") == json);
    CHECK_NOTHROW((void)script_json(Json{{"broken", "\xff\xfe"}}));
  }
}

}  // namespace
}  // namespace kvscope
