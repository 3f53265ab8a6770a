#include "collectors/compute/quantisation.h"

#include "collectors/compute/simd_level.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

TEST_SUITE_BEGIN("collectors.quantisation");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

using Codes = std::vector<std::int8_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::int64_t n_channel(const ChannelQuantisation& channels) {
  return std::ssize(channels.scale);
}

Codes codes_of(const std::vector<float>& values, const ChannelQuantisation& channels, std::int64_t expected_saturated) {
  Codes codes(values.size());
  CHECK(quantise(values.data(), channels.parameters(), n_channel(channels), codes.data()) == expected_saturated);
  return codes;
}

std::vector<float> values_of(const Codes& codes, const ChannelQuantisation& channels) {
  std::vector<float> values(codes.size());
  dequantise(codes.data(), channels.parameters(), n_channel(channels), values.data());
  return values;
}

/// Runs `body` at every SIMD level that the processor has.
void at_every_level(const auto& body) {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    body();
  }
}

}  // namespace

TEST_CASE("codes and values of a few channels are those worked out by hand") {
  at_every_level([] {
    const ChannelQuantisation channels{{1.0F, 0.5F, 0.25F, 2.0F}, {0.0F, 10.0F, -1.0F, 0.0F}};
    const Codes codes = codes_of({3.0F, 9.5F, 0.0F, -7.2F}, channels, 0);
    CHECK(codes == Codes{3, -1, 4, -4});
    CHECK(values_of(codes, channels) == std::vector<float>{3.0F, 9.5F, 0.0F, -8.0F});
  });
}

TEST_CASE("halfway values round to even") {
  at_every_level([] {
    const ChannelQuantisation channels{std::vector<float>(7, 1.0F), std::vector<float>(7, 0.0F)};
    CHECK(codes_of({0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 126.5F}, channels, 0) == Codes{0, 2, 2, 0, -2, -2, 126});
  });
}

TEST_CASE("what lies beyond the codes saturates and is counted") {
  at_every_level([] {
    const ChannelQuantisation channels{std::vector<float>(9, 1.0F), std::vector<float>(9, 0.0F)};
    CHECK(codes_of({127.4F, 127.6F, -128.4F, -128.6F, 1e30F, kInfinity, -kInfinity, kNan, 0.0F}, channels, 5) ==
          Codes{127, 127, -128, -128, 127, 127, -128, 0, 0});
  });
}

TEST_CASE("within its range a value is off by half a step at most") {
  const std::vector<float> minimum = {-1.0F, 0.0F, 99.9F, -1e-3F, -5.0F};
  const std::vector<float> maximum = {1.0F, 7.0F, 100.1F, 1e-3F, -4.0F};
  const ChannelQuantisation channels = quantisation_of_range(minimum, maximum);
  at_every_level([&] {
    constexpr int kPoints = 1000;
    for (int point = 0; point <= kPoints; ++point) {
      std::vector<float> values;
      for (std::size_t d = 0; d < minimum.size(); ++d) {
        const float share = static_cast<float>(point) / kPoints;
        values.push_back(std::clamp(minimum[d] + share * (maximum[d] - minimum[d]), minimum[d], maximum[d]));
      }
      const std::vector<float> back = values_of(codes_of(values, channels, 0), channels);
      for (std::size_t d = 0; d < values.size(); ++d) {
        const double half_step = (double{maximum[d]} - double{minimum[d]}) / 508.0;
        const double rounding = std::abs(double{values[d]}) * std::ldexp(1.0, -23);
        CHECK(std::abs(double{back[d]} - double{values[d]}) <= half_step * (1.0 + 1e-4) + rounding);
      }
    }
  });
}

TEST_CASE("the ends of the range take the outermost codes and a constant channel is exact") {
  const ChannelQuantisation channels = quantisation_of_range(std::vector{-3.0F, 0.1F}, std::vector{5.0F, 0.1F});
  CHECK(channels.offset == std::vector{1.0F, 0.1F});
  CHECK(channels.scale == std::vector{static_cast<float>(8.0 / 254.0), 1.0F});
  CHECK(codes_of({-3.0F, 0.1F}, channels, 0) == Codes{-127, 0});
  CHECK(codes_of({5.0F, 0.1F}, channels, 0) == Codes{127, 0});
  CHECK(values_of({0, 0}, channels)[1] == 0.1F);
}

TEST_CASE("values that codes stand for have those codes again") {
  const auto low = normal_values(64, 5, 30.0F);
  std::vector<float> high = normal_values(64, 6, 0.5F);
  for (std::size_t d = 0; d < high.size(); ++d) high[d] = low[d] + std::abs(high[d]);
  const ChannelQuantisation channels = quantisation_of_range(low, high);
  at_every_level([&] {
    for (int code = -128; code <= 127; ++code) {
      const Codes codes(64, static_cast<std::int8_t>(code));
      CHECK(codes_of(values_of(codes, channels), channels, 0) == codes);
    }
  });
}

TEST_CASE("every number of channels around a vector gives the same codes and writes nothing beyond its end") {
  const auto values = normal_values(40, 7);
  const ChannelQuantisation channels{std::vector<float>(40, 0.03F), normal_values(40, 8)};
  const SimdLevelGuard guard;
  force_simd_level("scalar");
  Codes expected(40);
  quantise(values.data(), channels.parameters(), 40, expected.data());
  at_every_level([&] {
    for (std::int64_t n = 0; n <= 33; ++n) {
      CAPTURE(n);
      Codes codes(40, 99);
      quantise(values.data(), channels.parameters(), n, codes.data());
      CHECK(std::equal(codes.begin(), codes.begin() + n, expected.begin()));
      CHECK(std::all_of(codes.begin() + n, codes.end(), [](std::int8_t code) { return code == 99; }));
      std::vector<float> back(40, -1e9F);
      dequantise(expected.data(), channels.parameters(), n, back.data());
      for (std::int64_t d = 0; d < 40; ++d) {
        const auto at = static_cast<std::size_t>(d);
        const double value = double{channels.offset[at]} + double{channels.scale[at]} * expected[at];
        CHECK(double{back[at]} == doctest::Approx(d < n ? value : -1e9).epsilon(1e-6));
      }
    }
  });
}

TEST_CASE("a range that is none is refused") {
  check_error(
      ErrorCode::kUsage, [] { (void)quantisation_of_range(std::vector{1.0F}, std::vector{0.0F}); }, "range");
  check_error(
      ErrorCode::kUsage, [] { (void)quantisation_of_range(std::vector{kNan}, std::vector{0.0F}); }, "range");
  check_error(
      ErrorCode::kUsage,
      [] {
        (void)quantisation_of_range(std::vector{1.0F}, std::vector{1.0F, 2.0F});
      },
      "channel");
}

TEST_SUITE_END();
