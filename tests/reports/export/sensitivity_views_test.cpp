// Views of what heads lose with few tokens: by tokens, by class, against scores.

#include "reports/export/export_run.h"
#include "reports/figures/sensitivity_figures.h"
#include "reports/tables/relation_tables.h"
#include "support/errors.h"
#include "support/stored_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace kvscope;
using Run = kvscope::testing::ExportRun;

namespace {

/// One part of a view, read back without files.
ExportContent part_of(const Run& run, const ExportRequest& request, const ReportInputs& inputs,
                      const std::string& name) {
  ExportRequest one = request;
  one.selection.only = {name};
  const auto items = export_view(request.view).items(inputs, one);
  REQUIRE(items.size() == 1);
  (void)run;
  return items.front().read();
}

double number(const Cell& cell) {
  REQUIRE(std::holds_alternative<double>(cell));
  return std::get<double>(cell);
}

/// The scores of synthetic_run.cpp: contextual heads 0.004 and structural ones 0.03 times 1 + 0.3 layer + 0.2 head.
double score_of(int layer, int head) {
  return (head % 2 == 0 ? 0.004 : 0.03) * (1.0 + 0.3 * layer + 0.2 * head);
}

}  // namespace

TEST_SUITE("reports.export.sensitivity") {
  TEST_CASE("costs by tokens are the means of both classes") {
    const Run run;
    const ExportRequest request = run.request("sensitivity");
    const ReportInputs inputs = read_report_inputs(request.paths);
    const Table table = part_of(run, request, inputs, "by_tokens").table();
    REQUIRE(table.rows().size() == 3);
    const double tokens[] = {1, 4, 12};
    for (std::size_t i = 0; i < 3; ++i) {
      // By the second rule, which costs half of the score over the tokens.
      const double contextual = (score_of(0, 0) + score_of(0, 2) + score_of(1, 0) + score_of(1, 2)) / 8.0 / tokens[i];
      const double structural = (score_of(0, 1) + score_of(0, 3) + score_of(1, 1) + score_of(1, 3)) / 8.0 / tokens[i];
      const auto& row = table.rows()[i];
      CHECK(number(row[2]) == doctest::Approx(contextual).epsilon(1e-12));
      CHECK(number(row[6]) == doctest::Approx(structural).epsilon(1e-12));
      CHECK(number(row[9]) == doctest::Approx(structural / contextual).epsilon(1e-12));
      CHECK(number(row[12]) == 1.0);  // every structural head costs more than any contextual one
    }
  }

  TEST_CASE("a map of costs holds every head") {
    const Run run;
    const ExportRequest request = run.request("sensitivity");
    const ReportInputs inputs = read_report_inputs(request.paths);
    const ExportContent content = part_of(run, request, inputs, "map_4");
    const std::vector<NamedArray> arrays = content.arrays();
    CHECK(arrays.at(0).shape == Shape{2, 4});
    const auto& costs = std::get<std::vector<double>>(arrays.at(0).elements);
    CHECK(costs[6] == doctest::Approx(score_of(1, 2) / 8.0).epsilon(1e-12));
    CHECK(content.colors_in_words.find("log, ") != std::string::npos);
  }

  TEST_CASE("a correlation is said in the title and its table has every pair") {
    const Run run;
    const ExportRequest request = run.request("correlation");
    const ReportInputs inputs = read_report_inputs(request.paths);
    const HeadFigures figures = head_figures(*inputs.sensitivity, &*inputs.heads, &*inputs.scores);
    REQUIRE(figures.figures.size() == 5);
    const Table table = part_of(run, request, inputs, "matrix").table();
    CHECK(table.rows().size() == 10);
    // Costs are the score divided by the same number of tokens for all.
    CHECK(number(table.rows()[9][3]) == doctest::Approx(1.0).epsilon(1e-12));
    CHECK(std::get<std::string>(table.rows()[9][6]) == "yes");
    const Drawing pair = part_of(run, request, inputs, "cost_least_cost_quarter").drawing();
    CHECK(pair.title.find("rank correlation 1.00 (1.00 to 1.00)") != std::string::npos);
    const Drawing of_class = part_of(run, request, inputs, "class_cost_least").drawing();
    CHECK(of_class.title.find("area under the curve 1.00") != std::string::npos);
    CHECK(part_of(run, request, inputs, "column_variance_cost_least").table().rows().size() == 8);
  }

  TEST_CASE("classes and scores are shown only where they are given") {
    const Run run;
    ExportRequest request = run.request("correlation");
    request.paths = {};
    request.paths.sensitivity = run.paths.sensitivity;
    CHECK(export_view("correlation").items(read_report_inputs(request.paths), request).size() == 2);
    request.paths.capture = run.paths.capture;  // from which scores are computed
    CHECK(export_view("correlation").items(read_report_inputs(request.paths), request).size() == 1 + 6);
    request.view = "sensitivity";
    const ReportInputs inputs = read_report_inputs(request.paths);
    CHECK(part_of(run, request, inputs, "by_tokens").table().columns().size() == 4);
    request.selection.only = {"map_5"};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)export_view("sensitivity").items(inputs, request); }, "map_5", "map_12");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)needed_paths(export_view("sensitivity"), {}); }, "--sensitivity");
  }

  TEST_CASE("small exports of sensitivity are the stored ones byte for byte") {
    const Run run;
    for (const auto& [view, name] : {std::pair("sensitivity", "by_tokens"), std::pair("correlation", "matrix"),
                                     std::pair("correlation", "class_cost_least")}) {
      ExportRequest request = run.request(view);
      request.selection.only = {name};
      const auto items = run.write(request);
      REQUIRE(items.size() == 1);
      testing::check_stored_file(std::string("pictures/export_") + items[0].name + ".svg",
                                 run.content(items[0].name + ".svg"));
    }
  }

  TEST_CASE("a sidecar names the sensitivity and makes the same bytes again") {
    const Run run;
    ExportRequest request = run.request("correlation", {ExportFormat::kSvg, ExportFormat::kCsv});
    request.selection.only = {"matrix"};
    const auto items = run.write(request);
    const ExportRecord record = read_export_record(items[0].sidecar);
    CHECK(std::ranges::count(record.sources, "sensitivity", &ReportSource::kind) == 1);
    CHECK(repeat_export(items[0].sidecar, {run.folder / "again", false, {}}).files.size() == 2);
    CHECK(read_text_file(run.folder / "again" / "correlation_matrix.csv") == run.content("correlation_matrix.csv"));
  }
}
