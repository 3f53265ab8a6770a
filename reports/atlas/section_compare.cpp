#include "reports/atlas/sections.h"
#include "reports/figures/method_figures.h"
#include "reports/pictures/svg.h"
#include "reports/tables/compare_tables.h"
#include "reports/tables/html_table.h"
#include "reports/tables/method_tables.h"

#include <fmt/format.h>

namespace kvscope {
namespace {

/// Figures whose tables and charts stand open; the others are folded away.
bool stands_open(const MethodFigure& figure) {
  return figure.name == "kl" || figure.name == "agreement";
}

std::string conditions_html(const CompareResult& result) {
  std::string html = fmt::format(
      "<p>Every method gets the same bytes, a share of what a lossless cache takes ({} per sample), and generates the "
      "same {} samples from the same random numbers as the full run. Parameters that a method leaves open were chosen "
      "on {} other samples. Intervals are 95 % bootstrap over samples.</p>\n",
      bytes_text(static_cast<double>(result.cache.lossless_bytes)), result.evaluation.samples.size(),
      result.calibration.samples.size());
  if (!result.complete)
    html += missing_html("The comparison is unfinished: kvscope compare --resume goes on with it. Cells are missing.");
  if (result.seen) {
    html += missing_html(
        "Some of the samples had been seen by a calibration (--allow-seen): methods that were calibrated on them look "
        "better than they are.");
  }
  return html;
}

std::string figure_parts(const CompareResult& result, const MethodFigure& figure, ReportFolder& folder) {
  const Table shown = method_budget_table(result, figure);
  if (shown.empty()) return {};
  std::string html =
      table_html(folder, fmt::format("method_{}", figure.name), shown, method_figure_table(result, figure));
  if (const auto curve = method_curve_figure(result, figure)) html += figure_html(folder, *curve);
  return html;
}

std::string figures_html(const CompareResult& result, ReportFolder& folder) {
  std::string open;
  std::string folded;
  for (const MethodFigure& figure : method_figures())
    (stands_open(figure) ? open : folded) += figure_parts(result, figure, folder);
  if (!folded.empty()) open += "<details><summary>More figures</summary>\n" + folded + "</details>\n";
  return open;
}

std::string differences_html(const CompareResult& result, ReportFolder& folder) {
  if (result.differences.empty()) return {};
  const auto figure = difference_figure(result);
  return "<h3>Paired differences</h3>\n<p>Both methods on the same samples: what makes a sample hard for either "
         "cancels. "
         "<em>better</em> and <em>worse</em>: the interval lies on one side of no difference; <em>open</em>: it does "
         "not. The best other method is the best on these very samples, so that a difference from it is, if anything, "
         "too small.</p>\n" +
         (figure ? figure_html(folder, *figure) : std::string()) +
         table_html(folder, "method_differences", method_difference_table(result), compare_difference_table(result));
}

std::string splits_html(const CompareResult& result, ReportFolder& folder) {
  const auto figure = split_figure(result);
  if (!figure) return {};
  return "<h3>Does it matter how the classes are told?</h3>\n<p>The same method, bytes and parameters; only the heads "
         "that count as contextual are others.</p>\n" +
         figure_html(folder, *figure);
}

}  // namespace

Section compare_section(const ReportInputs& inputs, ReportFolder& folder) {
  Section section{"compare", "Methods", {}, true};
  if (!inputs.compare) {
    section.complete = false;
    section.html = missing_html(
        "No comparison of methods was given: kvscope compare makes one, and --compare names its compare.json.");
    return section;
  }
  const CompareResult& result = *inputs.compare;
  section.html = conditions_html(result);
  section.html += figures_html(result, folder);
  if (const Table front = compare_pareto_table(result); !front.empty()) {
    section.html += "<h3>Pareto front</h3>\n<p>Cells to which no other has both as few bytes and as little KL.</p>\n" +
                    table_html(folder, "method_pareto", front);
  }
  section.html += differences_html(result, folder) + splits_html(result, folder);
  section.html += "<h3>Parameters</h3>\n" + table_html(folder, "method_parameters", method_parameter_table(result));
  if (const Table search = method_search_table(result); !search.empty()) {
    section.html += "<details><summary>How they were chosen</summary>\n" + table_html(folder, "method_search", search) +
                    "</details>\n";
  }
  section.html += fmt::format("<p class=\"files\">All figures of all cells: {}</p>\n",
                              link_html(folder.add_table("method_cells", compare_cell_table(result)), "CSV"));
  return section;
}

}  // namespace kvscope
