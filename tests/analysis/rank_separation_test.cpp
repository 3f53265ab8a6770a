#include "analysis/rank_separation.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace kvscope;

using Values = std::vector<double>;

TEST_SUITE("analysis.rank_separation") {
  TEST_CASE("the area is the share of pairs in order and ties count half") {
    // Of the pairs (1, 2), (1, 3), (3, 2), (3, 3) two are in order and one is tied.
    CHECK(*area_under_curve(Values{1, 3}, Values{2, 3}) == 2.5 / 4.0);
    CHECK(*area_under_curve(Values{1, 2}, Values{3, 4, 5}) == 1.0);
    CHECK(*area_under_curve(Values{3, 4, 5}, Values{1, 2}) == 0.0);
    CHECK(*area_under_curve(Values{7, 7}, Values{7}) == 0.5);
  }

  TEST_CASE("the area is that of counting all pairs") {
    std::mt19937_64 generator(5);
    Values lower(13);
    Values upper(29);
    for (double& value : lower) value = static_cast<double>(generator() % 20);
    for (double& value : upper) value = static_cast<double>(generator() % 25);
    double in_order = 0.0;
    for (const double below : lower) {
      for (const double above : upper) in_order += above > below ? 1.0 : above == below ? 0.5 : 0.0;
    }
    CHECK(*area_under_curve(lower, upper) == doctest::Approx(in_order / (13.0 * 29.0)).epsilon(1e-15));
    CHECK(*area_under_curve(upper, lower) == doctest::Approx(1.0 - in_order / (13.0 * 29.0)).epsilon(1e-15));
  }

  TEST_CASE("an empty group has no area") {
    CHECK_FALSE(area_under_curve(Values{}, Values{1}).has_value());
    CHECK_FALSE(area_under_curve(Values{1}, Values{}).has_value());
  }
}
