#include "reports/atlas/sections.h"
#include "reports/figures/head_figures.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

/// Conditional rows, as in the classification.
constexpr int kBranch = 0;

/// Scores whose pictures stand open; the others are folded away.
constexpr std::string_view kShownOpen[] = {"column_variance", "verticality", "band_excess", "entropy"};

bool stands_open(const HeadScore& score) {
  return std::ranges::find(kShownOpen, score.name) != std::end(kShownOpen);
}

std::string score_html(const Scores& scores, const HeadScore& score, const ReportOptions& options,
                       ReportFolder& folder) {
  HeadValues values = score_values(scores, score, kBranch, scores.steps.size() - 1);
  if (!any_finite(values.values)) return {};
  values.label += range_words(values.scale);
  return figure_html(folder, head_values_figure("score_" + std::string(score.name),
                                                fmt::format("{}. {}", score_title(score), score.description), values,
                                                color_map(options.color_map)));
}

/// Mean over the heads of each class, by scale.
std::string class_curve(const ReportInputs& inputs, const HeadScore& score, ReportFolder& folder) {
  const Scores& scores = *inputs.scores;
  LineChart chart;
  chart.title = fmt::format("{} by scale, mean over the heads of each class", score_title(score));
  Table data("", {{"class", ""}, {"step", ""}, {"mean", ""}});
  std::vector<double> all;
  for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
    const bool contextual = head_class == HeadClass::kContextual;
    Series series{std::string(head_class_name(head_class)), {}, {}};
    series.style = contextual ? 0 : 1;
    series.paint = contextual ? Role::kContextual : Role::kStructural;
    for (int step = 0; step < scores.steps.size(); ++step) {
      const std::vector<double> values = score_values(scores, score, kBranch, step).values;
      double sum = 0.0;
      int n_head = 0;
      for (const ClassifiedHead& head : inputs.heads->heads) {
        const double value = values[static_cast<std::size_t>(head.layer * scores.model.heads + head.head)];
        if (head.head_class != head_class || !std::isfinite(value)) continue;
        sum += value;
        ++n_head;
      }
      series.x.push_back(step);
      series.y.push_back(n_head > 0 ? sum / n_head : NAN);
      data.add_row({series.name, step, series.y.back()});
      all.push_back(series.y.back());
    }
    chart.series.push_back(std::move(series));
  }
  if (!any_finite(all)) return {};
  chart.x = {"Scale", ValueScale::linear(-0.3, scores.steps.size() - 0.7), step_ticks(scores.steps)};
  const bool is_variance = score.name == head_score::kColumnVariance.name;
  chart.y = {score_title(score), is_variance ? round_linear_scale(all, true) : score_scale(score, all)};
  return figure_html(folder, "by_scale_" + std::string(score.name), line_chart(chart),
                     {fmt::format("{}, mean over the heads of each class.", escaped(score_title(score))), "", &data});
}

Cell agreement_cell(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

Table stability_table(const Scores& scores) {
  Table table("Stability of the ranking of heads at the last scale",
              {{"score", "Score"},
               {"samples_rank_correlation", "Samples: rank corr.", CellFormat::kFixed, 3},
               {"samples_jaccard", "Jaccard", CellFormat::kFixed, 3},
               {"branches_rank_correlation", "Branches: rank corr.", CellFormat::kFixed, 3},
               {"branches_jaccard", "Jaccard", CellFormat::kFixed, 3}});
  const int last = scores.steps.size() - 1;
  for (const HeadScore& score : head_scores()) {
    if (!scores.has(score) || scores.at(score).stability.empty()) continue;
    const RankingAgreement samples = scores.at(score).stability_over(StabilityAxis::kSamples, kBranch, last);
    const RankingAgreement branches = scores.at(score).stability_over(StabilityAxis::kBranches, kBranch, last);
    table.add_row({score_title(score), agreement_cell(samples.rank_correlation), agreement_cell(samples.jaccard),
                   agreement_cell(branches.rank_correlation), agreement_cell(branches.jaccard)});
  }
  return table;
}

/// All scores of all heads at the last step; only a file.
Table values_table(const Scores& scores) {
  std::vector<Column> columns = {{"layer", ""}, {"head", ""}};
  std::vector<HeadScore> shown;
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !scores.has(score)) continue;
    columns.push_back({std::string(score.name), ""});
    columns.push_back({std::string(score.name) + "_low", ""});
    columns.push_back({std::string(score.name) + "_high", ""});
    shown.push_back(score);
  }
  Table table("", std::move(columns));
  const int last = scores.steps.size() - 1;
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) {
      std::vector<Cell> row = {layer, head};
      for (const HeadScore& score : shown) {
        const HeadScoreValues& values = scores.at(score);
        for (const auto* part : {&values.mean, &values.low, &values.high})
          row.push_back(agreement_cell((*part)(kBranch, layer, head, last)));
      }
      table.add_row(std::move(row));
    }
  }
  return table;
}

}  // namespace

Section scores_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"scores", "Scores", {}, true};
  if (!inputs.scores || inputs.scores->steps.size() == 0) {
    section.complete = false;
    section.html = missing_html("No scores were given: kvscope analyze makes them, and --scores names them.");
    return section;
  }
  const Scores& scores = *inputs.scores;
  section.html = fmt::format(
      "<p>What every head does at the last scale, mean over {} samples, conditional rows. {}</p>\n", scores.samples,
      "All heads with intervals: " + link_html(folder.add_table("scores", values_table(scores)), "CSV"));
  std::string open;
  std::string folded;
  std::string curves;
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !scores.has(score)) continue;
    (stands_open(score) ? open : folded) += score_html(scores, score, options, folder);
    if (inputs.heads && stands_open(score)) curves += class_curve(inputs, score, folder);
  }
  section.html += "<div class=\"pair\">\n" + open + "</div>\n";
  if (!folded.empty())
    section.html += "<details><summary>More scores</summary>\n<div class=\"pair\">\n" + folded + "</div>\n</details>\n";
  if (!curves.empty()) section.html += "<h3>Both classes by scale</h3>\n<div class=\"pair\">\n" + curves + "</div>\n";
  if (const Table stability = stability_table(scores); !stability.empty()) {
    section.html +=
        "<h3>Stability</h3>\n<p>How alike heads are ranked by one sample and by all others, and by both branches of "
        "guidance: Spearman's rank "
        "correlation, and the Jaccard index of the most contextual 30 %.</p>\n" +
        table_html(folder, "score_stability", stability);
  }
  return section;
}

}  // namespace kvscope
