#include "analysis/head_similarity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace kvscope {
namespace {

TEST_SUITE("analysis.head_similarity") {
  TEST_CASE("the cosine of four vectors in the plane is that of their angles") {
    const Array<float> vectors({4, 2}, std::vector<float>{1, 0, 3, 3, 0, 2, 5, 0});
    const auto similar = most_similar_heads(vectors, 2);
    REQUIRE(similar.size() == 4);
    CHECK(similar[0][0] == SimilarHead{3, 1.0});
    CHECK(similar[0][1].head == 1);
    CHECK(similar[0][1].cosine == doctest::Approx(std::sqrt(0.5)));
    CHECK(similar[1][0].head == 0);  // heads 0, 2 and 3 are equally far: the lower index comes first
    CHECK(similar[1][1].head == 2);
    CHECK(similar[2][0].head == 1);
  }

  TEST_CASE("length does not matter and there may be fewer heads than asked for") {
    const Array<float> vectors({2, 3}, std::vector<float>{0.1F, 0.2F, 0.3F, 10, 20, 30});
    const auto similar = most_similar_heads(vectors, 6);
    REQUIRE(similar[0].size() == 1);
    CHECK(similar[0][0].cosine == doctest::Approx(1.0).epsilon(1e-6));
    CHECK(most_similar_heads(Array<float>({1, 3}), 6)[0].empty());
    CHECK(most_similar_heads(Array<float>({0, 3}), 6).empty());
  }

  TEST_CASE("what has no direction is like nothing") {
    const float none = std::numeric_limits<float>::quiet_NaN();
    const Array<float> vectors({3, 2}, std::vector<float>{0, 0, none, 1, 1, 1});
    for (const auto& others : most_similar_heads(vectors, 2)) {
      for (const SimilarHead& other : others) CHECK(other.cosine == 0.0);
    }
  }
}

}  // namespace
}  // namespace kvscope
