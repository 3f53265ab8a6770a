#include "kernels/attention/merge.h"

#include "collectors/compute/simd_level.h"
#include "kernels/attention/merge_reference.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("kernels.merge");

using namespace kvscope;
using namespace kvscope::testing;
using Kept = std::vector<std::int32_t>;

TEST_CASE("a loser joins the kept key that points its way whatever its length") {
  // Keys: kept e1 and e2; losers 10 * e2 and e1 + 0.1 e2.
  const std::vector<float> keys = {1, 0, /**/ 0, 10, /**/ 0, 1, /**/ 1, 0.1F};
  const std::vector<float> values = {2, 0, /**/ 4, 4, /**/ 0, 8, /**/ 6, 2};
  CHECK(nearest_kept_tokens(keys, 2, Kept{0, 2}) == Kept{1, 0});
  const MergedTokens merged = merge_tokens(keys, values, 2, Kept{0, 2});
  CHECK(merged.keys == std::vector<float>{1, 0.05F, 0, 5.5F});
  CHECK(merged.values == std::vector<float>{4, 1, 2, 6});
}

TEST_CASE("among equal similarities and for a key of length zero the lower kept token wins") {
  const std::vector<float> keys = {1, 0, /**/ 2, 0, /**/ 3, 0, /**/ 0, 0};
  CHECK(nearest_kept_tokens(keys, 2, Kept{0, 1}) == Kept{0, 0});
}

TEST_CASE("without losers every bit stays") {
  const HeadData data(9, 5, ElementType::kFloat32, 4);
  const MergedTokens merged = merge_tokens(data.keys, data.values, 5, Kept{0, 1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(merged.keys == data.keys);
  CHECK(merged.values == data.values);
}

TEST_CASE("one kept token becomes the mean of all") {
  const HeadData data(50, 3, ElementType::kFloat32, 4);
  const MergedTokens merged = merge_tokens(data.keys, data.values, 3, Kept{17});
  for (std::size_t d = 0; d < 3; ++d) {
    double mean = 0.0;
    for (std::size_t j = 0; j < 50; ++j) mean += data.values[3 * j + d] / 50.0;
    CHECK(merged.values[d] == doctest::Approx(mean).epsilon(1e-5));
  }
}

TEST_CASE("random tokens agree with the double reference at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t n_token : {2, 31, 64, 65, 130}) {
      for (const std::int64_t head_dim : {5, 32, 64, 128}) {
        CAPTURE(n_token);
        CAPTURE(head_dim);
        const HeadData data(n_token, head_dim, ElementType::kFloat32, 9);
        Kept kept;
        for (std::int32_t j = 0; j < n_token; j += 3) kept.push_back(j);
        const MergedTokens merged = merge_tokens(data.keys, data.values, head_dim, kept);
        const auto expected = merge_tokens_reference(data.keys, data.values, head_dim, kept);
        // A mean of values of a few units, rounded once.
        CHECK(largest_difference(merged.keys, expected.keys) < 4e-7);
        CHECK(largest_difference(merged.values, expected.values) < 4e-7);
      }
    }
  }
}

TEST_CASE("kept tokens that are none or out of order or out of range are refused") {
  const std::vector<float> rows(6, 1.0F);
  for (const Kept& kept : {Kept{}, Kept{1, 0}, Kept{1, 1}, Kept{0, 3}, Kept{-1}}) {
    check_error(
        ErrorCode::kUsage, [&] { static_cast<void>(merge_tokens(rows, rows, 2, kept)); }, "kept");
  }
}

TEST_SUITE_END();
