#include "support/head_statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace kvscope::testing {
double relative_error(std::span<const double> found, std::span<const double> expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0;
  double scale = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error = std::max(error, std::abs(found[i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  return scale == 0 ? error : error / scale;
}

void compare(const HeadStatistics& found, const HeadStatistics& expected, double tolerance) {
  CHECK(found.entropy == doctest::Approx(expected.entropy).epsilon(tolerance));
  CHECK(found.square_sum == doctest::Approx(expected.square_sum).epsilon(tolerance));
  CHECK(std::abs(found.column_variance - expected.column_variance) <= tolerance * expected.square_sum);
  CHECK(relative_error(found.source_mass, expected.source_mass) < tolerance);
  CHECK(relative_error(found.source_square_sum, expected.source_square_sum) < tolerance);
  CHECK(relative_error(found.band_mass, expected.band_mass) < tolerance);
  CHECK(relative_error(found.column_mean, expected.column_mean) < tolerance);
  CHECK(relative_error(found.column_second_moment, expected.column_second_moment) < tolerance);
  CHECK(relative_error(found.displacement, expected.displacement) < tolerance);
  CHECK(relative_error(found.thumbnail, expected.thumbnail) < tolerance);
}

StepTable var_scales() {
  return StepTable::square(std::vector<int>{1, 2, 3, 4, 5, 6, 8, 10, 13, 16});
}

std::vector<StepTable> schedules() {
  return {var_scales(),
          StepTable({{.kind = StepKind::kText, .w = 7}, {.h = 1, .w = 1}, {.h = 3, .w = 5}, {.h = 6, .w = 11}}),
          StepTable({{.h = 2, .w = 2}, {.kind = StepKind::kText, .w = 9}}),
          StepTable({{.h = 2, .w = 3}, {.h = 3, .w = 3}, {.h = 5, .w = 4}}, {1, 0, 0, 0, 1, 0, 1, 0, 1}),
          StepTable({{.t = 1, .h = 2, .w = 2}, {.t = 3, .h = 4, .w = 5}}),
          StepTable({{.h = 3, .w = 40}, {.h = 40, .w = 3}}),
          StepTable({{.kind = StepKind::kOther, .h = 5, .w = 13}, {.h = 1, .w = 64}})};
}

}  // namespace kvscope::testing
