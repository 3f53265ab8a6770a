#include "reports/atlas/sections.h"
#include "reports/figures/budget_figures.h"
#include "reports/pictures/svg.h"
#include "reports/tables/plan_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace kvscope {
namespace {

Cell share_cell(double share) {
  return std::isfinite(share) ? Cell(share) : Cell();
}

Table plans_table(const std::vector<NamedPlan>& plans) {
  Table table("What plans keep, per sample",
              {{"plan", "Plan"},
               {"method", "Method"},
               {"attended_share", "Attended, of all", CellFormat::kPercent, 1},
               {"carried_share_of_all", "Carried, of all", CellFormat::kPercent, 1},
               {"carried_share_of_earlier", "Carried, of earlier", CellFormat::kPercent, 1},
               {"published_bytes", "As published", CellFormat::kBytes},
               {"full_bytes", "Full", CellFormat::kBytes},
               {"lossless_bytes", "Lossless", CellFormat::kBytes},
               {"allocated_bytes", "This plan", CellFormat::kBytes},
               {"flops_share", "Attention FLOPs", CellFormat::kPercent, 1}});
  for (const NamedPlan& plan : plans) {
    const PlanTotals& totals = plan.totals;
    table.add_row({plan.name, plan.plan.method, share_cell(totals.attended_share()),
                   share_cell(totals.carried_share_of_all()), share_cell(totals.carried_share_of_earlier()),
                   totals.published_bytes, totals.full_bytes, totals.lossless_bytes, totals.allocated_bytes,
                   share_cell(totals.compressed_flops / totals.full_flops)});
  }
  return table;
}

/// Heads of one class in one layer.
struct LayerShare {
  int heads = 0;
  std::int64_t attended = 0;  ///< at the last step
  std::int64_t carried = 0;   ///< the most ever held
  std::int64_t bytes = 0;     ///< of these
};

Table layers_table(const NamedPlan& plan) {
  std::map<std::pair<int, std::string>, LayerShare> shares;
  for (const HeadBudget& budget : plan.plan.heads) {
    LayerShare& share =
        shares[{budget.layer, budget.head_class ? std::string(head_class_name(*budget.head_class)) : "all"}];
    ++share.heads;
    share.attended += budget.attend.back();
    share.carried += cache_capacity(budget);
    share.bytes += cache_capacity(budget) * token_bytes(plan.plan.model, budget) * plan.totals.rows;
  }
  Table table("By layer and class, mean over heads",
              {{"layer", "Layer"},
               {"class", "Class"},
               {"heads", "Heads"},
               {"attended_tokens", "Attended at the last scale", CellFormat::kFixed, 1},
               {"carried_tokens", "Most carried", CellFormat::kFixed, 1},
               {"allocated_bytes", "Bytes", CellFormat::kBytes}});
  for (const auto& [key, share] : shares) {
    table.add_row({key.first, key.second, share.heads, static_cast<double>(share.attended) / share.heads,
                   static_cast<double>(share.carried) / share.heads, share.bytes});
  }
  return table;
}

std::string capacity_html(const NamedPlan& plan, const ReportOptions& options, ReportFolder& folder) {
  HeadValues values = capacity_values(plan);
  values.label += range_words(values.scale);
  return figure_html(
      folder, head_values_figure("carried_" + plan.name, "The most tokens each head carries, as a share of all tokens.",
                                 values, color_map(options.color_map)));
}

std::string plan_details(const NamedPlan& plan, const ReportOptions& options, ReportFolder& folder) {
  std::string html =
      fmt::format("<details>\n<summary>{}: by scale, layer, class and head</summary>\n", escaped(plan.name));
  for (const std::string& note : plan.plan.notes) html += fmt::format("<p class=\"note\">{}</p>\n", escaped(note));
  html += table_html(folder, "budget_by_scale_" + plan.name, plan_step_table(plan.plan));
  html += table_html(folder, "budget_by_class_" + plan.name, plan_class_table(plan.plan));
  html += table_html(folder, "rules_" + plan.name, plan_rule_table(plan.plan));
  html += table_html(folder, "budget_by_layer_" + plan.name, layers_table(plan));
  return html + capacity_html(plan, options, folder) + "</details>\n";
}

}  // namespace

Section budgets_section(const ReportInputs& inputs, const ReportOptions& options, ReportFolder& folder) {
  Section section{"budgets", "Budgets", {}, true};
  if (inputs.plans.empty()) {
    section.complete = false;
    section.html =
        missing_html("No plan was given: kvscope plan makes one, and --plan names it (as often as there are plans).");
    return section;
  }
  section.html =
      "<p>Three caches to compare with: <em>as published</em> holds every token, keys in 32 and values in 16 bit; "
      "<em>full</em> holds them at this run's element types; <em>lossless</em> leaves out the last scale, which nobody "
      "reads. Shares are of <em>all</em> T<sub>K</sub> tokens, as HACK counts, and of the T<sub>K−1</sub> "
      "<em>earlier</em> ones before the last scale, as ScaleKV does.</p>\n";
  section.html += table_html(folder, "plans", plans_table(inputs.plans));
  section.html += figure_html(folder, bytes_figure(inputs));
  for (const NamedPlan& plan : inputs.plans) section.html += plan_details(plan, options, folder);
  return section;
}

}  // namespace kvscope
