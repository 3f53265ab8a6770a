#include "analysis/kept_attention.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <numeric>

namespace kvscope {
namespace {

TEST_SUITE("analysis.kept_attention") {
  TEST_CASE("weights of kept keys are scaled up to sum to one") {
    const Array<float> map({2, 3}, std::vector<float>{0.5F, 0.25F, 0.25F, 0.125F, 0.5F, 0.375F});
    const std::vector<std::uint8_t> kept = {1, 0, 1};
    const Array<float> left = attention_on_kept(map, kept);
    CHECK(left(0, 0) == doctest::Approx(2.0 / 3.0));
    CHECK(left(0, 1) == 0.0F);
    CHECK(left(0, 2) == doctest::Approx(1.0 / 3.0));
    CHECK(left(1, 0) == 0.25F);
    CHECK(left(1, 1) == 0.0F);
    CHECK(left(1, 2) == 0.75F);
    CHECK(kept_share(map, kept) == doctest::Approx((0.75 + 0.5) / 2.0));
  }

  TEST_CASE("keeping every key changes nothing but rounding") {
    const Array<float> map({1, 4}, std::vector<float>{0.1F, 0.2F, 0.3F, 0.4F});
    const std::vector<std::uint8_t> all(4, 1);
    const Array<float> left = attention_on_kept(map, all);
    for (std::int64_t key = 0; key < 4; ++key) CHECK(left(0, key) == doctest::Approx(map(0, key)).epsilon(1e-6));
    CHECK(kept_share(map, all) == doctest::Approx(1.0).epsilon(1e-6));
  }

  TEST_CASE("a query that gave the kept keys nothing has nothing left") {
    const Array<float> map({1, 2}, std::vector<float>{1.0F, 0.0F});
    const std::vector<std::uint8_t> second = {0, 1};
    const Array<float> left = attention_on_kept(map, second);
    CHECK(left(0, 0) == 0.0F);
    CHECK(left(0, 1) == 0.0F);
    CHECK(kept_share(map, second) == 0.0);
  }

  TEST_CASE("one entry per key is demanded") {
    const Array<float> map({1, 2});
    const std::vector<std::uint8_t> three(3, 1);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)attention_on_kept(map, three); }, "per key");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)kept_share(map, three); }, "per key");
  }
}

}  // namespace
}  // namespace kvscope
