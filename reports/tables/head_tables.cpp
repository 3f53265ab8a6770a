#include "reports/tables/head_tables.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <vector>

namespace kvscope {
namespace {

constexpr int kScoreDigits = 4;

/// A score as a cell: nothing where it is not a number.
Cell cell_of(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

Cell cell_of(const std::optional<double>& value) {
  return value ? cell_of(*value) : Cell();
}

Column score_column(std::string name) {
  return {.name = std::move(name), .format = CellFormat::kFixed, .digits = kScoreDigits};
}

/// One column of values for all heads, [layers * heads].
struct ScoreColumn {
  std::string name;
  std::vector<double> values;
};

std::vector<double> heads_of(const Array<double>& values, int branch, int step) {
  std::vector<double> heads;
  for (std::int64_t layer = 0; layer < values.extent(1); ++layer) {
    for (std::int64_t head = 0; head < values.extent(2); ++head) heads.push_back(values(branch, layer, head, step));
  }
  return heads;
}

std::vector<ScoreColumn> score_columns(const Scores& scores, int branch, int step) {
  std::vector<ScoreColumn> columns;
  const auto add = [&](std::string name, const Array<double>& values) {
    ScoreColumn column{std::move(name), heads_of(values, branch, step)};
    if (std::ranges::any_of(column.values, [](double value) { return std::isfinite(value); }))
      columns.push_back(std::move(column));
  };
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !scores.has(score)) continue;
    const HeadScoreValues& values = scores.at(score);
    add(std::string(score.name), values.mean);
    if (score.name != head_score::kColumnVariance.name) continue;
    add("column_variance_low", values.low);
    add("column_variance_high", values.high);
  }
  return columns;
}

std::string title_of(const Scores& scores, int branch, int step, std::string_view what) {
  return fmt::format("{}, {} branch, step {} of 0 to {}, {} samples", what,
                     scores.model.branches[static_cast<std::size_t>(branch)], step, scores.steps.size() - 1,
                     scores.samples);
}

}  // namespace

Table score_table(const Scores& scores, int branch, int step) {
  const std::vector<ScoreColumn> scored = score_columns(scores, branch, step);
  std::vector<Column> columns{{.name = "layer"}, {.name = "head"}};
  for (const ScoreColumn& column : scored) columns.push_back(score_column(column.name));
  Table table(title_of(scores, branch, step, "scores of the heads"), std::move(columns));
  for (int i = 0; i < scores.model.layers * scores.model.heads; ++i) {
    std::vector<Cell> row{std::int64_t{i / scores.model.heads}, std::int64_t{i % scores.model.heads}};
    for (const ScoreColumn& column : scored) row.push_back(cell_of(column.values[static_cast<std::size_t>(i)]));
    table.add_row(std::move(row));
  }
  return table;
}

Table layer_score_table(const Scores& scores, int branch, int step) {
  const std::vector<ScoreColumn> scored = score_columns(scores, branch, step);
  std::vector<Column> columns{{.name = "layer"}};
  for (const ScoreColumn& column : scored) columns.push_back(score_column(column.name));
  Table table(title_of(scores, branch, step, "scores of the layers (mean over heads)"), std::move(columns));
  const auto heads = static_cast<std::size_t>(scores.model.heads);
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    std::vector<Cell> row{std::int64_t{layer}};
    for (const ScoreColumn& column : scored) {
      double sum = 0.0;
      for (std::size_t head = 0; head < heads; ++head)
        sum += column.values[static_cast<std::size_t>(layer) * heads + head];
      row.push_back(cell_of(sum / static_cast<double>(heads)));
    }
    table.add_row(std::move(row));
  }
  return table;
}

Table stability_table(const Scores& scores, int branch, int step) {
  std::vector<Column> columns{{.name = "score"}};
  for (const std::string_view axis : kStabilityAxes) {
    columns.push_back({.name = fmt::format("rank_correlation_{}", axis),
                       .label = fmt::format("rho {}", axis),
                       .format = CellFormat::kFixed});
    columns.push_back(
        {.name = fmt::format("jaccard_{}", axis), .label = fmt::format("J {}", axis), .format = CellFormat::kFixed});
  }
  Table table(
      "stability: rank correlation (rho) and Jaccard of the top 30 % (J); one sample against the others, this step "
      "against the "
      "last, first against second branch",
      std::move(columns));
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !scores.has(score)) continue;
    std::vector<Cell> row{std::string(score.name)};
    for (const StabilityAxis axis : {StabilityAxis::kSamples, StabilityAxis::kSteps, StabilityAxis::kBranches}) {
      const RankingAgreement figure = scores.at(score).stability_over(axis, branch, step);
      row.push_back(cell_of(figure.rank_correlation));
      row.push_back(cell_of(figure.jaccard));
    }
    table.add_row(std::move(row));
  }
  return table;
}

Table sorted_by(const Table& table, std::string_view column) {
  const auto found = std::ranges::find(table.columns(), column, &Column::name);
  require(found != table.columns().end(), "sorted_by: no such column");
  const auto index = static_cast<std::size_t>(found - table.columns().begin());
  std::vector<std::vector<Cell>> rows = table.rows();
  std::ranges::stable_sort(rows, std::ranges::greater(), [&](const std::vector<Cell>& row) {
    const Cell& cell = row[index];
    if (const auto* number = std::get_if<double>(&cell)) return *number;
    if (const auto* count = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*count);
    return -std::numeric_limits<double>::infinity();
  });
  Table sorted(table.title(), table.columns());
  for (auto& row : rows) sorted.add_row(std::move(row));
  return sorted;
}

namespace {

std::vector<Column> head_columns() {
  return {{.name = "layer"},
          {.name = "head"},
          {.name = "class"},
          {.name = "score", .digits = kScoreDigits},
          {.name = "margin", .digits = kScoreDigits},
          {.name = "confidence", .format = CellFormat::kFixed},
          {.name = "posterior", .label = "P(contextual)", .format = CellFormat::kFixed}};
}

std::vector<Cell> head_row(const ClassifiedHead& head) {
  return {std::int64_t{head.layer}, std::int64_t{head.head}, std::string(head_class_name(head.head_class)),
          cell_of(head.score),      cell_of(head.margin),    cell_of(head.confidence),
          cell_of(head.posterior)};
}

bool is_borderline(const ClassifiedHead& head) {
  return head.confidence && *head.confidence < kBorderlineConfidence;
}

}  // namespace

Table head_table(const HeadClassification& classification) {
  Table table("heads", head_columns());
  for (const ClassifiedHead& head : classification.heads) table.add_row(head_row(head));
  return table;
}

Table class_map_table(const HeadClassification& classification) {
  Table table("class map: C contextual, S structural, lower case where borderline",
              {{.name = "layer"},
               {.name = "classes", .label = "heads from 0"},
               {.name = "contextual"},
               {.name = "mean_score", .label = "mean score", .digits = kScoreDigits},
               {.name = "smallest_margin", .label = "smallest margin", .digits = kScoreDigits},
               {.name = "lowest_confidence", .label = "lowest confidence", .format = CellFormat::kFixed}});
  std::vector<std::string> rows = class_map(classification);
  for (int layer = 0; layer < classification.layers; ++layer) {
    std::string& row = rows[static_cast<std::size_t>(layer)];
    std::int64_t contextual = 0;
    double sum = 0.0;
    double margin = std::numeric_limits<double>::infinity();
    std::optional<double> confidence;
    for (int i = 0; i < classification.heads_per_layer; ++i) {
      const ClassifiedHead& head = classification.at(layer, i);
      char& letter = row[static_cast<std::size_t>(i)];
      if (is_borderline(head)) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
      contextual += head.head_class == HeadClass::kContextual ? 1 : 0;
      sum += head.score;
      margin = std::min(margin, head.margin);
      if (head.confidence) confidence = std::min(confidence.value_or(1.0), *head.confidence);
    }
    table.add_row(
        {std::int64_t{layer}, row, contextual, sum / classification.heads_per_layer, margin, cell_of(confidence)});
  }
  return table;
}

Table borderline_table(const HeadClassification& classification) {
  Table table(fmt::format("borderline heads: another class in more than {:.0f} % of the resamples",
                          100.0 * (1.0 - kBorderlineConfidence)),
              head_columns());
  for (const ClassifiedHead& head : classification.borderline()) table.add_row(head_row(head));
  return table;
}

Table differing_table(const HeadComparison& comparison) {
  Table table("heads that differ", {{.name = "layer"}, {.name = "head"}, {.name = "first"}, {.name = "second"}});
  for (const DifferingHead& head : comparison.differing) {
    table.add_row({std::int64_t{head.layer}, std::int64_t{head.head}, std::string(head_class_name(head.first)),
                   std::string(head_class_name(head.second))});
  }
  return table;
}

}  // namespace kvscope
