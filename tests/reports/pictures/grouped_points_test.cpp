#include "reports/pictures/grouped_points.h"

#include "reports/pictures/group_strips.h"
#include "reports/pictures/scatter_matrix.h"
#include "reports/pictures/svg.h"
#include "support/errors.h"
#include "support/stored_file.h"
#include "support/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

GroupedPoints five_points() {
  GroupedPoints points;
  points.groups = {{"contextual", Role::kContextual, 0}, {"structural", Role::kStructural, 1}};
  points.group = {0, 1, 0, 1, 1};
  points.names = {"layer 0 head 0", "layer 0 head 1", "layer 0 head 2", "layer 1 head 0", "<layer> 1 head 1"};
  return points;
}

PointVariable variance() {
  return {{"Column variance", ValueScale::logarithmic(0.001, 0.1), {}}, {0.002, 0.05, 0.004, 0.02, 0.03}};
}

PointVariable excess() {
  return {{"Band excess", ValueScale::linear(0.0, 1.0), {}}, {0.1, 0.8, kNothing, 0.4, 0.6}};
}

std::size_t marks_of(const Drawing& drawing) {
  std::size_t n = 0;
  for (const DrawnShape& shape : drawing.shapes) n += shape.tip.empty() ? 0 : 1;
  return n;
}

bool says(const Drawing& drawing, const std::string& text) {
  return svg_file(drawing).find(text) != std::string::npos;
}

ScatterMatrix small_matrix() {
  return {"Correlations", five_points(), {variance(), excess()}, [](std::size_t, std::size_t) {
            return Interval{-0.934, -0.99, -0.5};
          }};
}

TEST_SUITE("reports.grouped_points") {
  TEST_CASE("pictures of groups are the stored ones byte for byte") {
    testing::check_stored_file("pictures/grouped_scatter.svg",
                               svg_file(grouped_scatter(five_points(), variance(), excess(), "Both scores")));
    testing::check_stored_file("pictures/scatter_matrix.svg", svg_file(scatter_matrix(small_matrix())));
    const GroupStrips strips{
        "Variance by class", five_points(), variance(), {{0.003, 0.002, 0.004}, {0.0333, kNothing, kNothing}}};
    testing::check_stored_file("pictures/group_strips.svg", svg_file(group_strips(strips)));
  }

  TEST_CASE("points without a number are left out and the others say theirs") {
    const Drawing drawing = grouped_scatter(five_points(), variance(), excess(), "Both scores");
    CHECK(marks_of(drawing) == 4);
    CHECK(says(drawing, "&lt;layer&gt; 1 head 1: 0.03, 0.6"));
    CHECK(says(drawing, "contextual (2)"));
    CHECK(testing::markup_fault(svg_file(drawing), testing::Markup::kXml) == "");
  }

  TEST_CASE("a matrix prints relations with their sign and says where there is none") {
    ScatterMatrix matrix = small_matrix();
    CHECK(says(scatter_matrix(matrix), "−0.93<"));
    CHECK(says(scatter_matrix(matrix), "−0.99 to −0.50"));
    CHECK(says(scatter_matrix(matrix), "font-weight=\"600\""));
    matrix.relation = [](std::size_t, std::size_t) { return Interval{0.2, -0.1, 0.5}; };
    CHECK_FALSE(says(scatter_matrix(matrix), "font-weight=\"600\""));
    matrix.relation = [](std::size_t, std::size_t) { return Interval{kNothing, kNothing, kNothing}; };
    CHECK(says(scatter_matrix(matrix), "not defined"));
  }

  TEST_CASE("points of a strip do not cover one another") {
    GroupStrips strips{"Equal", {}, {{"Score", ValueScale::linear(0.0, 1.0), {}}, {}}, {{0.5, 0.5, 0.5}}};
    strips.points.groups = {{"heads", Role::kSeries1, 0}};
    for (int i = 0; i < 9; ++i) {
      strips.points.group.push_back(0);
      strips.points.names.push_back("head");
      strips.variable.values.push_back(i % 3 == 0 ? 0.5 : 0.52);
    }
    std::vector<Point> centers;
    for (const DrawnShape& shape : group_strips(strips).shapes) {
      if (shape.tip.empty()) continue;
      centers.push_back(std::get<DiscShape>(shape.form).center);
    }
    REQUIRE(centers.size() == 9);
    for (std::size_t i = 0; i < centers.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j)
        CHECK(std::hypot(centers[i].x - centers[j].x, centers[i].y - centers[j].y) > 6.0);
    }
  }

  TEST_CASE("labels have an interval only where there is one") {
    CHECK(interval_label({0.934, 0.88, 0.96}) == "0.93 (0.88 to 0.96)");
    CHECK(interval_label({-0.934, kNothing, 0.96}) == "−0.93");
    CHECK(interval_label({kNothing, kNothing, kNothing}) == "not a number");
    CHECK(significant_interval_label({0.01234, 0.011, 0.0149}) == "0.0123 (0.011 to 0.0149)");
    CHECK(significant_interval_label({0.01234, kNothing, kNothing}, 2) == "0.012");
    CHECK(range_label({0.5, -0.25, 1.0}, 1) == "−0.2 to 1.0");
  }

  TEST_CASE("numbers that do not fit the points are refused") {
    const PointVariable few{variance().axis, {1.0}};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)grouped_scatter(five_points(), variance(), few, ""); }, "as many values");
    ScatterMatrix matrix = small_matrix();
    matrix.variables[1] = few;
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)scatter_matrix(matrix); }, "as many values");
    matrix.variables.resize(1);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)scatter_matrix(matrix); }, "two variables");
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          (void)group_strips({"", five_points(), variance(), {}});
        },
        "as many means");
  }
}

}  // namespace
}  // namespace kvscope
