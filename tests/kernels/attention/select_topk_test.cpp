#include "kernels/attention/select_topk.h"

#include "collectors/compute/simd_level.h"
#include "kernels/attention/select_topk_reference.h"
#include "support/attention_data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

TEST_SUITE_BEGIN("kernels.select_topk");

using namespace kvscope;
using namespace kvscope::testing;
using Indices = std::vector<std::int32_t>;

namespace {

/// The same check at every SIMD level.
void check_all_levels(const std::vector<float>& scores, std::int64_t k) {
  const SimdLevelGuard guard;
  const Indices expected = select_topk_reference(scores, k);
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    CAPTURE(scores.size());
    CAPTURE(k);
    force_simd_level(level);
    CHECK(select_topk(scores, k) == expected);
  }
}

}  // namespace

TEST_CASE("the largest are returned in ascending order of index") {
  CHECK(select_topk(std::vector<float>{0.1F, 0.7F, 0.3F, 0.9F, 0.2F}, 3) == Indices{1, 2, 3});
}

TEST_CASE("k is clipped to what is there") {
  const std::vector<float> scores = {2.0F, 1.0F};
  CHECK(select_topk(scores, -3).empty());
  CHECK(select_topk(scores, 0).empty());
  CHECK(select_topk(scores, 2) == Indices{0, 1});
  CHECK(select_topk(scores, 100) == Indices{0, 1});
  CHECK(select_topk({}, 5).empty());
}

TEST_CASE("among equal scores the lower index wins") {
  const std::vector<float> scores(100, 0.5F);
  Indices expected(37);
  for (std::int32_t i = 0; i < 37; ++i) expected[static_cast<std::size_t>(i)] = i;
  CHECK(select_topk(scores, 37) == expected);
  CHECK(select_topk(std::vector<float>{1.0F, 3.0F, 1.0F, 3.0F, 1.0F}, 3) == Indices{0, 1, 3});
}

TEST_CASE("minus zero equals zero and not-a-number ranks below everything") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(select_topk(std::vector<float>{-0.0F, 0.0F, -0.0F}, 2) == Indices{0, 1});
  const std::vector<float> scores = {nan, -infinity, -nan, infinity, -1.0F, nan};
  check_all_levels(scores, 1);
  CHECK(select_topk(scores, 3) == Indices{1, 3, 4});
  CHECK(select_topk(scores, 4) == Indices{0, 1, 3, 4});
}

TEST_CASE("every size around a vector agrees with sorting") {
  for (std::int64_t n = 1; n <= 67; ++n) {
    const auto scores = normal_values(n, static_cast<std::uint32_t>(n));
    for (const std::int64_t k : {std::int64_t{1}, n / 3, n - 1, n}) check_all_levels(scores, k);
  }
}

TEST_CASE("large inputs of every shape of distribution agree with sorting") {
  const std::int64_t n = 10521;
  auto normal = normal_values(n, 1);
  auto spread = normal;  // over the whole range of float, subnormal numbers included
  auto narrow = normal;  // all in one bin of the histogram
  auto coarse = normal;  // many ties
  for (auto& x : spread) x = std::copysign(std::pow(10.0F, 13.0F * x), x);
  for (auto& x : narrow) x = 1.0F + 0.001F * x;
  for (auto& x : coarse) x = std::round(2.0F * x);
  auto ascending = normal;
  std::ranges::sort(ascending);
  auto descending = ascending;
  std::ranges::reverse(descending);
  for (const auto& scores : {normal, spread, narrow, coarse, ascending, descending}) {
    for (const std::int64_t k : {1L, 100L, 3156L, 10520L, 10521L}) check_all_levels(scores, k);
  }
}

TEST_SUITE_END();
