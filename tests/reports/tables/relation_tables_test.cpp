#include "reports/tables/relation_tables.h"

#include <doctest/doctest.h>

#include <limits>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

/// A layer of two heads.
HeadFigures two_heads() {
  HeadFigures figures;
  figures.layers = 1;
  figures.heads_per_layer = 2;
  figures.kv_heads = 2;
  figures.classes = {HeadClass::kContextual, HeadClass::kStructural};
  figures.figures = {{"class", {0, 1}, 0.0}, {"column_variance", {0.5, kNothing}, 0.0}, {"cost_least", {0.25, 2}, 1.0}};
  return figures;
}

TEST_SUITE("reports.relation_tables") {
  TEST_CASE("figures are named after scores and tokens") {
    CHECK(figure_label({"class", {}, 0.0}) == "Class");
    CHECK(figure_label({"band_excess", {}, 0.0}) == "Band excess");
    CHECK(figure_label({"classifier_score", {}, 0.0}) == "Score of the classifier");
    CHECK(figure_label({"cost_least", {}, 1.0}) == "Sensitivity at 1 token");
    CHECK(figure_label({"cost_quarter", {}, 16.5}) == "Sensitivity at 16.5 tokens");
  }

  TEST_CASE("a line of CSV per head and nothing where a head has no number") {
    CHECK(csv_text(head_figure_table(two_heads())) ==
          "layer,head,class,column_variance,cost_least\n"
          "0,0,contextual,0.5,0.25\n"
          "0,1,structural,,2\n");
  }

  TEST_CASE("a line of CSV per pair says whether the interval excludes zero") {
    const std::vector<FigureCorrelation> pairs = {
        {0, 2, 2, {0.5, 0.25, 0.75}}, {1, 2, 1, {-0.5, -0.75, 0.125}}, {0, 1, 1, {kNothing, kNothing, kNothing}}};
    CHECK(csv_text(correlation_table(two_heads(), pairs)) ==
          "figure,other,heads,rho,low,high,excludes_zero\n"
          "Class,Sensitivity at 1 token,2,0.5,0.25,0.75,yes\n"
          "Column variance,Sensitivity at 1 token,1,-0.5,-0.75,0.125,no\n"
          "Class,Column variance,1,,,,no\n");
  }

  TEST_CASE("a line of CSV per figure compares both classes") {
    const std::vector<ClassContrast> contrasts = {
        {2, 1, 1, {0.25, kNothing, kNothing}, {2, 1, 3}, {8, 4, 16}, {1, 0.5, 1}}};
    CHECK(csv_text(class_contrast_table(two_heads(), contrasts)) ==
          "figure,contextual_heads,contextual_mean,contextual_low,contextual_high,structural_heads,structural_mean,"
          "structural_low,structural_high,ratio,ratio_low,ratio_high,area,area_low,area_high\n"
          "Sensitivity at 1 token,1,0.25,,,1,2,1,3,8,4,16,1,0.5,1\n");
    CHECK(csv_text(class_contrast_summary(two_heads(), contrasts)) ==
          "figure,contextual,structural,ratio,area\n"
          "Sensitivity at 1 token,0.25,2 (1 to 3),8 (4 to 16),1.00 (0.50 to 1.00)\n");
  }
}

}  // namespace
}  // namespace kvscope
