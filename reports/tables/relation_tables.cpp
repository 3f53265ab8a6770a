#include "reports/tables/relation_tables.h"

#include "reports/figures/head_figures.h"
#include "reports/pictures/grouped_points.h"
#include "reports/pictures/value_scale.h"

#include <cmath>

namespace kvscope {
namespace {

Cell number_cell(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

void add_interval(std::vector<Cell>& row, const Interval& interval) {
  for (const double value : {interval.mean, interval.low, interval.high}) row.push_back(number_cell(value));
}

}  // namespace

std::string figure_label(const HeadFigure& figure) {
  if (figure.name == head_figure::kClass) return "Class";
  if (figure.name == head_figure::kClassifierScore) return "Score of the classifier";
  if (const auto score = head_score_from_name(figure.name)) return score_title(*score);
  return fmt::format("Sensitivity at {} {}", number_label(figure.tokens, 4), figure.tokens == 1.0 ? "token" : "tokens");
}

Table correlation_table(const HeadFigures& figures, std::span<const FigureCorrelation> correlations) {
  Table table("Rank correlations over heads", {{"figure", "Figure"},
                                               {"other", "and"},
                                               {"heads", "Heads"},
                                               {"rho", "Spearman's rho", CellFormat::kFixed, 2},
                                               {"low", "2.5 %", CellFormat::kFixed, 2},
                                               {"high", "97.5 %", CellFormat::kFixed, 2},
                                               {"excludes_zero", "Interval excludes 0"}});
  for (const FigureCorrelation& pair : correlations) {
    std::vector<Cell> row = {figure_label(figures.figures.at(pair.a)), figure_label(figures.figures.at(pair.b)),
                             pair.heads};
    add_interval(row, pair.rho);
    row.emplace_back(std::string(pair.excludes_zero() ? "yes" : "no"));
    table.add_row(std::move(row));
  }
  return table;
}

Table class_contrast_table(const HeadFigures& figures, std::span<const ClassContrast> contrasts) {
  Table table("Both classes", {{"figure", "Figure"},
                               {"contextual_heads", "Contextual heads"},
                               {"contextual_mean", "Contextual, mean"},
                               {"contextual_low", "2.5 %"},
                               {"contextual_high", "97.5 %"},
                               {"structural_heads", "Structural heads"},
                               {"structural_mean", "Structural, mean"},
                               {"structural_low", "2.5 %"},
                               {"structural_high", "97.5 %"},
                               {"ratio", "Structural / contextual"},
                               {"ratio_low", "2.5 %"},
                               {"ratio_high", "97.5 %"},
                               {"area", "Area under the curve", CellFormat::kFixed, 2},
                               {"area_low", "2.5 %", CellFormat::kFixed, 2},
                               {"area_high", "97.5 %", CellFormat::kFixed, 2}});
  for (const ClassContrast& contrast : contrasts) {
    std::vector<Cell> row = {figure_label(figures.figures.at(contrast.figure)), contrast.contextual_heads};
    add_interval(row, contrast.contextual_mean);
    row.emplace_back(contrast.structural_heads);
    for (const Interval* interval : {&contrast.structural_mean, &contrast.ratio, &contrast.area})
      add_interval(row, *interval);
    table.add_row(std::move(row));
  }
  return table;
}

Table class_contrast_summary(const HeadFigures& figures, std::span<const ClassContrast> contrasts) {
  Table table("Both classes", {{"figure", "Figure"},
                               {"contextual", "Contextual heads, mean"},
                               {"structural", "Structural heads, mean"},
                               {"ratio", "Structural over contextual"},
                               {"area", "Area under the curve"}});
  for (const ClassContrast& contrast : contrasts) {
    std::vector<Cell> row = {figure_label(figures.figures.at(contrast.figure))};
    for (const Interval* interval : {&contrast.contextual_mean, &contrast.structural_mean, &contrast.ratio})
      row.emplace_back(significant_interval_label(*interval));
    row.emplace_back(interval_label(contrast.area));
    table.add_row(std::move(row));
  }
  return table;
}

Table head_figure_table(const HeadFigures& figures) {
  std::vector<Column> columns = {{"layer", "Layer"}, {"head", "Head"}};
  for (const HeadFigure& figure : figures.figures) columns.push_back({figure.name, figure_label(figure)});
  Table table("Every head", std::move(columns));
  for (std::size_t head = 0; head < figures.n_head(); ++head) {
    std::vector<Cell> row = {static_cast<std::int64_t>(head) / figures.heads_per_layer,
                             static_cast<std::int64_t>(head) % figures.heads_per_layer};
    for (const HeadFigure& figure : figures.figures) {
      if (figure.name == head_figure::kClass) {
        row.emplace_back(std::string(head_class_name(figures.classes[head])));
      } else {
        row.push_back(number_cell(figure.values[head]));
      }
    }
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace kvscope
