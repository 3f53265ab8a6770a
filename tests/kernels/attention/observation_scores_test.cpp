#include "kernels/attention/observation_scores.h"

#include "collectors/compute/simd_level.h"
#include "kernels/attention/observation_scores_reference.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <numeric>

TEST_SUITE_BEGIN("kernels.observation_scores");

using namespace kvscope;
using namespace kvscope::testing;
using Places = std::vector<std::int64_t>;

namespace {

PackedHead packed(const HeadData& data) {
  const KeyValueSegment segment = data.segment();
  PackedHead head;
  head.pack({&segment, 1}, data.head_dim, PackedParts::kKeys);
  return head;
}

}  // namespace

TEST_CASE("observation queries lie in the middle of equal parts") {
  CHECK(observation_queries(100, 4) == Places{12, 37, 62, 87});
  CHECK(observation_queries(5, 2) == Places{1, 3});
  CHECK(observation_queries(33, 32).front() == 0);
  CHECK(observation_queries(33, 32).back() == 32);
}

TEST_CASE("all queries observe where there are no more than asked for") {
  CHECK(observation_queries(3, 3) == Places{0, 1, 2});
  CHECK(observation_queries(3, 32) == Places{0, 1, 2});
  CHECK(observation_queries(3, 0) == Places{0, 1, 2});
  CHECK(observation_queries(0, 4).empty());
}

TEST_CASE("every query gives away a weight of one") {
  const HeadData data(200, 32, ElementType::kFloat32, 1);
  const auto queries = normal_values(45 * 32, 2);
  std::vector<float> scores(200, 0.0F);
  add_observation_scores(packed(data), {queries.data(), 32, 45, 0.2F}, scores);
  CHECK(std::accumulate(scores.begin(), scores.end(), 0.0) == doctest::Approx(45.0).epsilon(1e-6));
}

TEST_CASE("scores are added to what is there") {
  const HeadData data(64, 16, ElementType::kFloat32, 1);
  const std::vector<float> queries(2 * 16, 0.0F);
  std::vector<float> scores(64, 1.0F);
  add_observation_scores(packed(data), {queries.data(), 16, 2, 1.0F}, scores);
  for (const float score : scores) CHECK(score == 1.0F + 2.0F / 64.0F);
}

TEST_CASE("sizes around every block agree with the double reference at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t n_key : {1, 63, 64, 65, 300}) {
      for (const std::int64_t n_query : {1, 31, 32, 33, 70}) {
        CAPTURE(n_key);
        CAPTURE(n_query);
        const HeadData data(n_key, 64, ElementType::kFloat16, 5);
        const auto queries = normal_values(n_query * 64, 6);
        std::vector<float> scores(static_cast<std::size_t>(n_key), 0.0F);
        add_observation_scores(packed(data), {queries.data(), 64, n_query, 0.125F}, scores);
        const auto expected = observation_scores_reference(queries, data.keys, 64, 0.125);
        // Per query the error of a probability (see attention_strip_test), and n_query additions.
        CHECK(largest_difference(scores, expected) < 4e-6 * static_cast<double>(n_query));
      }
    }
  }
}

TEST_CASE("a wrong number of scores is refused") {
  const HeadData data(4, 8, ElementType::kFloat32, 1);
  std::vector<float> scores(3);
  check_error(
      ErrorCode::kUsage,
      [&] {
        add_observation_scores(packed(data), {data.keys.data(), 8, 1, 1.0F}, scores);
      },
      "score");
}

TEST_SUITE_END();
