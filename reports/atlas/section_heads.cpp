#include "reports/atlas/sections.h"
#include "reports/figures/head_figures.h"
#include "reports/pictures/svg.h"
#include "reports/tables/head_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

/// Numbers and texts of a JSON object, one per line: "samples / jaccard".
void add_leaves(Table& table, const std::string& prefix, const Json& json) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? key : prefix + " / " + key;
    if (value.is_object()) {
      add_leaves(table, name, value);
    } else if (value.is_number_integer()) {
      table.add_row({name, value.get<std::int64_t>()});
    } else if (value.is_number()) {
      table.add_row({name, value.get<double>()});
    } else if (value.is_string()) {
      table.add_row({name, value.get<std::string>()});
    } else if (value.is_boolean()) {
      table.add_row({name, std::string(value.get<bool>() ? "yes" : "no")});
    }
  }
}

std::string method_sentence(const HeadClassification& classification) {
  const auto n_head = classification.heads.size();
  return fmt::format("Method <em>{}</em> finds {} of {} heads contextual and {} structural.",
                     escaped(classification.method), classification.count(HeadClass::kContextual), n_head,
                     classification.count(HeadClass::kStructural));
}

/// What the classifier itself says against its split; empty if it says nothing.
std::string separation_html(const HeadClassification& classification) {
  const Json::json_pointer pointer("/split/separation");
  if (!classification.stability.is_object() || !classification.stability.contains(pointer)) return {};
  const Json& separation = classification.stability.at(pointer);
  if (separation == "none") {
    return missing_html(
        "The scores look like one kind of heads: where they are split is arbitrary, so judge the plans by their "
        "replays.");
  }
  if (separation == "weak")
    return missing_html("Two kinds of heads describe the scores better than one, but they overlap.");
  return {};
}

/// Longer lists are folded away.
constexpr std::size_t kLongList = 12;

constexpr const char* kExplanation =
    "<p>A <em>contextual</em> head looks at the same few keys from nearly every query: its map has vertical stripes, "
    "and it survives strong compression. A <em>structural</em> head looks at the corresponding place in every scale: "
    "its map has one diagonal band per source scale, and it does not.</p>\n";

}  // namespace

Section heads_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"heads", "Head classes", {}, true};
  if (!inputs.heads || inputs.heads->heads.empty()) {
    section.complete = false;
    section.html = missing_html("No classification was given: kvscope classify makes one, and --heads names it.");
    return section;
  }
  const HeadClassification& classification = *inputs.heads;
  section.html =
      fmt::format("<p>{} Hover over a cell for its figures.</p>\n{}", method_sentence(classification), kExplanation) +
      separation_html(classification);

  HeadValues values = classified_values(classification);
  if (values.scale.kind() == ValueScale::Kind::kLogarithmic) values.label += " (log)";
  section.html +=
      "<div class=\"pair\">\n" + figure_html(folder, class_figure(classification)) +
      figure_html(folder, head_values_figure("score_map", "The score itself.", values, color_map(options.color_map))) +
      "</div>\n" + figure_html(folder, sorted_scores_figure(classification));

  const Table borderline = borderline_table(classification);
  if (borderline.empty()) {
    section.html +=
        "<p>No head is borderline: resampling the samples gives every head the same class in at least 95 % of draws, "
        "or nothing was resampled.</p>\n";
  } else {
    const std::string list = table_html(folder, "borderline_heads", borderline);
    const std::size_t n_borderline = borderline.rows().size();
    section.html += fmt::format(
        "<h3>Borderline heads</h3>\n<p>Resampling the samples gives {} the other class in more than 5 % of "
        "draws.</p>\n",
        n_borderline == 1 ? "this head" : fmt::format("these {} heads", n_borderline));
    section.html +=
        n_borderline <= kLongList ? list : "<details><summary>All borderline heads</summary>\n" + list + "</details>\n";
  }
  Table stability("Stability, as the classifier found it",
                  {{"figure", "Figure"}, {"value", "Value", CellFormat::kPlain, 4}});
  if (classification.stability.is_object()) add_leaves(stability, "", classification.stability);
  if (!stability.empty()) {
    section.html +=
        "<details><summary>Stability and parameters</summary>\n" + table_html(folder, "stability", stability);
    Table parameters("Parameters of the method",
                     {{"parameter", "Parameter"}, {"value", "Value", CellFormat::kPlain, 6}});
    if (classification.parameters.is_object()) add_leaves(parameters, "", classification.parameters);
    if (!parameters.empty()) section.html += table_html(folder, "parameters", parameters);
    section.html += "</details>\n";
  }
  return section;
}

}  // namespace kvscope
