#include "collectors/models/rotary_embedding.h"

#include "collectors/models/golden.h"
#include "support/aten.h"
#include "support/errors.h"

#include <cmath>
#include <numbers>
#include <vector>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// The places of a column of `count` tokens on `largest` places, recovered from the angles of the lowest frequency.
std::vector<int> places(int count, int largest) {
  constexpr int kHeadDim = 64;
  constexpr int kSlow = 15;  // f_15 = 10000^(-15/16): place 111 is turned by 0.02
  const Rotation rotation = grid_rotation({count, 1}, {largest, 1}, kHeadDim);
  const double frequency = std::pow(10000.0, -4.0 * kSlow / kHeadDim);
  std::vector<int> result;
  for (int i = 0; i < count; ++i) {
    result.push_back(static_cast<int>(std::lround(std::asin(rotation.sine[i][kSlow].item<double>()) / frequency)));
  }
  return result;
}

}  // namespace

TEST_SUITE("collectors.models.rotary_embedding") {
  TEST_CASE("places are those of the published tables and ties go to even") {
    CHECK(places(6, 64) == std::vector<int>{0, 11, 21, 32, 43, 53});
    CHECK(places(8, 64) == std::vector<int>{0, 8, 16, 24, 32, 40, 48, 56});
    CHECK(places(12, 64) == std::vector<int>{0, 5, 11, 16, 21, 27, 32, 37, 43, 48, 53, 59});
    CHECK(places(20, 64) ==
          std::vector<int>{0, 3, 6, 10, 13, 16, 19, 22, 26, 29, 32, 35, 38, 42, 45, 48, 51, 54, 58, 61});
    // 3.5 i
    CHECK(places(20, 70) ==
          std::vector<int>{0, 4, 7, 10, 14, 18, 21, 24, 28, 32, 35, 38, 42, 46, 49, 52, 56, 60, 63, 66});
    CHECK(places(1, 64) == std::vector<int>{0});
  }

  TEST_CASE("the first half of the angles is of the row and the second of the column") {
    const Rotation rotation = grid_rotation({3, 2}, {6, 6}, 16);
    REQUIRE(rotation.cosine.sizes() == at::IntArrayRef{6, 8});
    // Token 3 is row 1 and column 1: places 2 and 3.
    for (int j = 0; j < 4; ++j) {
      CAPTURE(j);
      const double frequency = std::pow(10000.0, -j / 4.0);
      CHECK(rotation.cosine[3][j].item<double>() == doctest::Approx(std::cos(2 * frequency)).epsilon(1e-6));
      CHECK(rotation.sine[3][4 + j].item<double>() == doctest::Approx(std::sin(3 * frequency)).epsilon(1e-6));
    }
  }

  TEST_CASE("neighbouring channels are turned as pairs") {
    // One token, one head; a quarter turn and none.
    const Rotation rotation{.cosine = at::tensor({0.0F, 1.0F}).view({1, 2}),
                            .sine = at::tensor({1.0F, 0.0F}).view({1, 2})};
    const at::Tensor x = at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({1, 1, 1, 4});
    CHECK(same_bits(rotated(x, rotation), at::tensor({-2.0F, 1.0F, 3.0F, 4.0F}).view({1, 1, 1, 4})));
  }

  TEST_CASE("lengths stay and products depend on distances alone") {
    constexpr int kSide = 5;
    const Rotation rotation = grid_rotation({kSide, kSide}, {kSide, kSide}, 16);
    at::manual_seed(3);
    const at::Tensor qk = at::randn({1, 2, 3, 16}).expand({kSide * kSide, 2, 3, 16});  // the same at every token
    const at::Tensor turned = rotated(qk, rotation);
    CHECK(largest_difference(turned.square().sum(-1), qk.square().sum(-1)) < 1e-5);
    const auto product = [&](int query, int key) { return (turned[query][0] * turned[key][1]).sum(-1); };
    // Rows 2 and columns 1 apart.
    CHECK(largest_difference(product(0, 2 * kSide + 1), product(kSide + 3, 3 * kSide + 4)) < 1e-5);
    CHECK(largest_difference(product(0, 2 * kSide + 1), product(0, kSide + 2)) > 1e-3);
  }

  TEST_CASE("all rows together are turned as each on its own") {
    const Rotation rotation = grid_rotation({2, 3}, {4, 6}, 8);
    at::manual_seed(4);
    const at::Tensor rows = at::randn({3, 6, 2, 4, 8});
    const at::Tensor together = rotated(rows, rotation);
    for (int row = 0; row < 3; ++row) CHECK(same_bits(together[row].contiguous(), rotated(rows[row], rotation)));
  }

  TEST_CASE("heads that cannot be cut into pairs for two axes are refused") {
    for (const int head_dim : {0, 2, 6, 65}) {
      check_error(
          ErrorCode::kUsage,
          [&] {
            (void)grid_rotation({1, 1}, {1, 1}, head_dim);
          },
          "multiple of 4");
    }
  }
}
