#include "analysis/stability.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace kvscope;

using Values = std::vector<double>;

TEST_SUITE("analysis.stability") {
  TEST_CASE("equal rankings agree and reversed ones disagree") {
    const Values rising{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const Values falling{10, 9, 8, 7, 6, 5, 4, 3, 2, 1};
    for (const HigherMeans higher : {HigherMeans::kContextual, HigherMeans::kStructural, HigherMeans::kNeither}) {
      const RankingAgreement same = ranking_agreement(rising, rising, higher);
      CHECK(same.rank_correlation == doctest::Approx(1.0).epsilon(1e-14));
      CHECK(same.jaccard == 1.0);
      const RankingAgreement reversed = ranking_agreement(rising, falling, higher);
      CHECK(reversed.rank_correlation == doctest::Approx(-1.0).epsilon(1e-14));
      CHECK(reversed.jaccard == 0.0);
    }
  }

  TEST_CASE("the top set is taken from the contextual end") {
    // Three of ten heads; the three lowest of b are other heads than those of a, the three highest the same.
    const Values a{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const Values b{4, 5, 6, 1, 2, 3, 7, 8, 9, 10};
    CHECK(ranking_agreement(a, b, HigherMeans::kStructural).jaccard == 0.0);
    CHECK(ranking_agreement(a, b, HigherMeans::kContextual).jaccard == 1.0);
  }

  TEST_CASE("without an order there is no figure") {
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(ranking_agreement(Values{1, 1}, Values{1, 2}, HigherMeans::kNeither).jaccard));
    CHECK(std::isnan(ranking_agreement(Values{1}, Values{1}, HigherMeans::kNeither).rank_correlation));
    CHECK(std::isnan(ranking_agreement(Values{1, nothing}, Values{1, 2}, HigherMeans::kNeither).jaccard));
    CHECK(std::isnan(sample_stability(Array<double>({1, 4}, 1.0), HigherMeans::kNeither).rank_correlation));
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)ranking_agreement(Values{1}, Values{1, 2}, HigherMeans::kNeither);
        },
        "length");
  }

  TEST_CASE("samples that agree are stable and the more noise the less") {
    double last = 1.0;
    for (const double noise : {0.0, 0.5, 2.0, 8.0}) {
      CAPTURE(noise);
      std::mt19937_64 generator(4);
      Array<double> scores({20, 40});
      for (std::int64_t i = 0; i < 20; ++i) {
        for (std::int64_t head = 0; head < 40; ++head) {
          scores(i, head) = static_cast<double>(head) / 10 + noise * static_cast<double>(generator() % 1000) / 1000;
        }
      }
      const RankingAgreement figure = sample_stability(scores, HigherMeans::kStructural);
      if (noise == 0.0) {
        CHECK(figure.rank_correlation == doctest::Approx(1.0).epsilon(1e-12));
        CHECK(figure.jaccard == 1.0);
      } else {
        CHECK(figure.rank_correlation < last);
      }
      last = figure.rank_correlation;
    }
    CHECK(last > 0.0);
  }

  TEST_CASE("two samples are compared with each other") {
    const Array<double> scores({2, 4}, {1, 2, 3, 4, 2, 1, 3, 4});
    CHECK(sample_stability(scores, HigherMeans::kNeither).rank_correlation == doctest::Approx(0.8).epsilon(1e-14));
  }
}
