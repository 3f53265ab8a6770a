// Views of methods at equal bytes, their tables and the picture of differences.

#include "reports/atlas/synthetic_compare.h"
#include "reports/export/export_run.h"
#include "reports/figures/method_figures.h"
#include "reports/pictures/forest_plot.h"
#include "reports/pictures/svg.h"
#include "reports/tables/method_tables.h"
#include "support/errors.h"
#include "support/stored_file.h"
#include "support/synthetic_capture.h"
#include "support/well_formed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

using namespace kvscope;
using Run = kvscope::testing::ExportRun;

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

CompareResult small_compare() {
  const testing::SyntheticCapture capture;
  return testing::invented_compare(capture.model, capture.steps);
}

const MethodFigure& figure_named(std::string_view name) {
  const auto figures = method_figures();
  const auto found = std::ranges::find(figures, name, &MethodFigure::name);
  REQUIRE(found != figures.end());
  return *found;
}

double number(const Cell& cell) {
  REQUIRE(std::holds_alternative<double>(cell));
  return std::get<double>(cell);
}

const std::string& text(const Cell& cell) {
  REQUIRE(std::holds_alternative<std::string>(cell));
  return std::get<std::string>(cell);
}

bool says(const Drawing& drawing, const std::string& words) {
  return svg_file(drawing).find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE("reports.methods") {
  TEST_CASE("variants are told from methods and compared with them at the same bytes") {
    const CompareResult result = small_compare();
    CHECK(main_methods(result) == std::vector<std::string>{"hack", "uniform:window"});
    const auto variants = split_variants(result);
    REQUIRE(variants.size() == 4);
    CHECK(variants[1].method == "hack");
    CHECK(variants[1].split == "random");
    CHECK(variants[1].difference.budget == 0.25);
    // Every sample costs 1.5 times as much, so every resample does.
    const Interval ratio = variants[1].difference.ratios.at("teacher_forced_kl");
    CHECK(ratio.mean == doctest::Approx(1.5).epsilon(1e-12));
    CHECK(ratio.low == doctest::Approx(1.5).epsilon(1e-12));
    CHECK(variants[3].difference.budget == 0.5);
  }

  TEST_CASE("a split with parameters is a variant of the method with them") {
    CompareResult result = small_compare();
    for (CompareCell& cell : result.cells) {
      if (cell.method == "hack") cell.method = "hack:alpha=0.35";
      if (cell.method == "hack@random") cell.method = "hack@random:alpha=0.35";
    }
    const auto variants = split_variants(result);
    REQUIRE(variants.size() == 2);
    CHECK(variants[0].method == "hack:alpha=0.35");
    CHECK(variants[0].split == "random");
    // The other one stands beside no method without a split.
    CHECK(main_methods(result).size() == 3);
  }

  TEST_CASE("methods by budgets hold means and intervals and name the best") {
    const CompareResult result = small_compare();
    const Table table = method_budget_table(result, figure_named("kl"));
    REQUIRE(table.rows().size() == 4);
    REQUIRE(table.columns().size() == 3);
    CHECK(table.columns()[1].label == "25 % of lossless");
    CHECK(text(table.rows()[0][0]) == "hack");
    CHECK(text(table.rows()[0][1]).starts_with("best 0.1 ("));
    CHECK(text(table.rows()[3][2]).starts_with("0.1 ("));
    const Table agreement = method_budget_table(result, figure_named("agreement"));
    CHECK(text(agreement.rows()[0][2]).starts_with("best 0.95 ("));
    CHECK(method_budget_table(result, figure_named("frechet")).empty());
    const Table numbers = method_figure_table(result, figure_named("kl"));
    REQUIRE(numbers.rows().size() == 8);
    CHECK(number(numbers.rows()[7][3]) == doctest::Approx(0.1).epsilon(1e-12));
    CHECK(number(numbers.rows()[7][4]) < 0.1);
  }

  TEST_CASE("images that are all identical are said to be so") {
    CompareResult result = small_compare();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    result.cells[0].free_running.psnr = {kInfinity, kInfinity, kInfinity};
    const Table table = method_budget_table(result, figure_named("psnr"));
    CHECK(text(table.rows()[0][1]) == "best identical");
    REQUIRE(method_curve_figure(result, figure_named("psnr")).has_value());
  }

  TEST_CASE("differences say what is better and what is open") {
    CompareResult result = small_compare();
    const Table table = method_difference_table(result);
    // Four methods at two budgets, each against the best other one, three of them against the baseline.
    REQUIRE(table.rows().size() == 14);
    CHECK(text(table.rows()[0][4]).starts_with("better: 0.909"));
    CHECK(text(table.rows()[0][5]).starts_with("better: 0.01"));
    CHECK(text(table.rows()[2][2]) == "hack");
    CHECK(text(table.rows()[2][4]).starts_with("worse: 1.1"));
    CHECK(text(table.rows()[0][6]) == "-");  // nothing sees classes
    result.differences[0].ratios["teacher_forced_kl"] = {0.9, 0.8, 1.1};
    result.differences[0].figures["free_running_token_agreement"].difference = {0.01, -0.02, 0.03};
    const Table open = method_difference_table(result);
    CHECK(text(open.rows()[0][4]) == "open: 0.9 (0.8 to 1.1)");
    CHECK(text(open.rows()[0][5]) == "open: 0.01 (−0.02 to 0.03)");
  }

  TEST_CASE("parameters and their search are listed with what was chosen") {
    const CompareResult result = small_compare();
    const Table parameters = method_parameter_table(result);
    REQUIRE(parameters.rows().size() == 8);
    CHECK(number(parameters.rows()[0][2]) == 0.35);
    CHECK(parameters.rows()[3][2] == Cell());
    CHECK(text(parameters.rows()[0][12]) == "8 × window");
    const Table search = method_search_table(result);
    REQUIRE(search.rows().size() == 4);
    CHECK(text(search.rows()[0][5]) == "yes");
    CHECK(text(search.rows()[1][5]).empty());
    CHECK(number(search.rows()[1][4]) == 0.03);
    const Table splits = split_table(result);
    REQUIRE(splits.rows().size() == 4);
    CHECK(text(splits.rows()[0][2]) == "diagonal");
    CHECK(number(splits.rows()[0][3]) == doctest::Approx(1.1).epsilon(1e-12));
    CHECK(text(splits.rows()[0][6]) == "worse");
  }

  TEST_CASE("pictures of methods are the stored ones byte for byte") {
    const CompareResult result = small_compare();
    testing::check_stored_file("pictures/methods_kl.svg",
                               svg_file(method_curve_figure(result, figure_named("kl"))->drawing));
    testing::check_stored_file("pictures/method_differences.svg", svg_file(difference_figure(result)->drawing));
    testing::check_stored_file("pictures/method_splits.svg", svg_file(split_figure(result)->drawing));
  }

  TEST_CASE("marks of differences are filled only where the interval excludes the neutral value") {
    ForestPlot plot{"Differences", {"Difference", ValueScale::linear(-1.0, 1.0), {}}, 0.0, "worse", "better", {}};
    const auto marks = [&plot](const Interval& estimate) {
      plot.rows = {{"", "a <b>", estimate}};
      std::pair<int, int> filled_and_rings;
      for (const DrawnShape& shape : forest_plot(plot).shapes) {
        if (std::holds_alternative<BoxShape>(shape.form)) ++filled_and_rings.first;
        if (std::holds_alternative<DiscShape>(shape.form)) ++filled_and_rings.second;
      }
      return filled_and_rings;
    };
    CHECK(marks({0.5, 0.25, 0.75}) == std::pair(1, 0));
    CHECK(marks({-0.5, -0.75, -0.25}) == std::pair(1, 0));
    CHECK(marks({0.5, -0.25, 0.75}) == std::pair(0, 1));
    CHECK(marks({0.5, kNothing, kNothing}) == std::pair(0, 1));
    CHECK(marks({kNothing, kNothing, kNothing}) == std::pair(0, 0));
    CHECK(says(forest_plot(plot), "not defined"));
    CHECK(testing::markup_fault(svg_file(forest_plot(plot)), testing::Markup::kXml) == "");
  }

  TEST_CASE("a view has a part for every figure that the run has") {
    const Run run;
    const ExportRequest request = run.request("compare");
    const ReportInputs inputs = read_report_inputs(request.paths);
    std::vector<std::string> names;
    for (const ExportItem& item : export_view("compare").items(inputs, request)) names.push_back(item.name);
    CHECK(names == std::vector<std::string>{"methods_kl", "methods_agreement", "methods_psnr", "methods_ssim",
                                            "method_differences", "method_splits"});
    ExportRequest wrong = request;
    wrong.selection.only = {"beauty"};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)export_view("compare").items(inputs, wrong); }, "beauty", "splits");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)needed_paths(export_view("compare"), {}); }, "--compare");
  }
}
