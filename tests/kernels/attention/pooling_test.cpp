#include "kernels/attention/pooling.h"

#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

TEST_SUITE_BEGIN("kernels.pooling");

using namespace kvscope;
using namespace kvscope::testing;
using Scores = std::vector<float>;

TEST_CASE("the maximum of a window spreads to its neighbours") {
  CHECK(pool_maximum(Scores{0, 0, 3, 0, 0, 1}, 3) == Scores{0, 3, 3, 3, 1, 1});
}

TEST_CASE("edges hold nothing and not zero") {
  CHECK(pool_maximum(Scores{-5, -7, -6}, 3) == Scores{-5, -5, -6});
  CHECK(pool_average(Scores{2, 4, 9}, 3) == Scores{3, 5, 6.5F});
}

TEST_CASE("width one changes nothing and a window beyond both edges pools everything") {
  const Scores scores = normal_values(9, 3);
  CHECK(pool_maximum(scores, 1) == scores);
  CHECK(pool_average(scores, 1) == scores);
  CHECK(pool_maximum(scores, 101) == Scores(9, std::ranges::max(scores)));
  CHECK(pool_average(Scores{1, 2, 3, 6}, 99) == Scores(4, 3.0F));
}

TEST_CASE("nothing pools to nothing") {
  CHECK(pool_maximum({}, 5).empty());
  CHECK(pool_average({}, 5).empty());
}

TEST_CASE("even and empty windows are refused") {
  check_error(
      ErrorCode::kUsage, [] { static_cast<void>(pool_maximum(Scores{1}, 2)); }, "odd");
  check_error(
      ErrorCode::kUsage, [] { static_cast<void>(pool_average(Scores{1}, 0)); }, "odd");
}

TEST_SUITE_END();
