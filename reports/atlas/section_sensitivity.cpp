#include "classifiers/plan/head_relations.h"
#include "reports/atlas/sections.h"
#include "reports/figures/head_figures.h"
#include "reports/figures/sensitivity_figures.h"
#include "reports/pictures/grouped_points.h"
#include "reports/pictures/svg.h"
#include "reports/tables/relation_tables.h"
#include "reports/tables/sensitivity_tables.h"

#include <fmt/format.h>

#include <cmath>

namespace kvscope {
namespace {

/// What an area under the curve says of the class, in words that follow from its interval alone.
std::string verdict(const Interval& area) {
  if (!std::isfinite(area.mean)) return "Only one class has heads, so nothing can be said of the split.";
  if (!std::isfinite(area.low) || !std::isfinite(area.high)) return "One class has too few heads for an interval.";
  if (area.low > 0.5) return "Structural heads are the more sensitive ones: the interval lies above 0.5.";
  if (area.high < 0.5) return "Contextual heads are the more sensitive ones: the interval lies below 0.5.";
  return "The class does not tell which heads are sensitive: the interval holds 0.5.";
}

std::string class_html(const HeadFigures& figures, const std::vector<ClassContrast>& contrasts, ReportFolder& folder) {
  if (contrasts.empty())
    return missing_html("No classification was given, so the classes are not compared: --heads names one.");
  std::string html = "<h3>Does the split into two classes matter?</h3>\n";
  std::string pictures;
  for (const ClassContrast& contrast : contrasts) {
    const HeadFigure& figure = figures.figures[contrast.figure];
    if (figure.tokens == 0.0) continue;
    html += fmt::format("<p>{}: a structural head is above a contextual one in {} of the pairs. {}</p>\n",
                        escaped(figure_label(figure)), escaped(interval_label(contrast.area)),
                        escaped(verdict(contrast.area)));
    pictures += figure_html(folder, by_class_figure(figures, contrast));
  }
  return html +
         table_html(folder, "class_contrasts", class_contrast_summary(figures, contrasts),
                    class_contrast_table(figures, contrasts)) +
         "<div class=\"pair\">\n" + pictures + "</div>\n";
}

std::string maps_html(const HeadFigures& figures, const ReportOptions& options, ReportFolder& folder) {
  std::string html;
  for (const HeadFigure& figure : figures.figures) {
    if (figure.tokens == 0.0) continue;
    HeadValues values = cost_values(figures, figure);
    values.label += range_words(values.scale);
    html += figure_html(
        folder, head_values_figure("map_" + figure.name, values.title + ".", values, color_map(options.color_map)));
  }
  return html;
}

}  // namespace

Section sensitivity_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"sensitivity", "Sensitivity", {}, true};
  if (!inputs.sensitivity) {
    section.complete = false;
    section.html = missing_html(
        "No sensitivity was given: kvscope sensitivity prices what every head loses with few tokens, and --sensitivity "
        "names its file.");
    return section;
  }
  const Sensitivity& sensitivity = *inputs.sensitivity;
  const HeadFigures figures =
      head_figures(sensitivity, inputs.heads ? &*inputs.heads : nullptr, inputs.scores ? &*inputs.scores : nullptr);
  const std::vector<FigureCorrelation> correlations = figure_correlations(figures);
  section.html = fmt::format(
      "<p>What each head loses if it alone carries few tokens by its cheapest rule: the divergence of the sampling "
      "distribution from the full cache's, in nats per token, estimated from {} samples and {} draws of every token. "
      "Everything below is over heads: scores and costs are means over samples. {}</p>\n",
      sensitivity.samples(), sensitivity.draws,
      "All heads: " + link_html(folder.add_table("head_figures", head_figure_table(figures)), "CSV"));
  if (!inputs.scores)
    section.html += missing_html("No scores were given, so none is held against the sensitivity: --scores names them.");
  section.html += class_html(figures, class_contrasts(figures), folder);
  section.html += "<h3>What foretells sensitivity</h3>\n" +
                  table_html(folder, "rank_correlations", correlation_table(figures, correlations)) +
                  figure_html(folder, correlation_matrix_figure(figures, correlations));
  section.html += "<h3>By tokens and by head</h3>\n<div class=\"pair\">\n" +
                  figure_html(folder, cost_by_tokens_figure(sensitivity, figures)) +
                  maps_html(figures, options, folder) + "</div>\n";
  section.html += "<details><summary>The same budget and rule for all heads</summary>\n" +
                  table_html(folder, "uniform_costs", uniform_cost_table(sensitivity)) + "</details>\n";
  return section;
}

}  // namespace kvscope
