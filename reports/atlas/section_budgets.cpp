#include "reports/atlas/sections.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/head_map.h"
#include "reports/pictures/line_chart.h"
#include "reports/pictures/png.h"
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
};

Table layers_table(const NamedPlan& plan) {
  std::map<std::pair<int, std::string>, LayerShare> shares;
  for (const HeadBudget& budget : plan.plan.heads) {
    LayerShare& share =
        shares[{budget.layer, budget.head_class ? std::string(head_class_name(*budget.head_class)) : "all"}];
    ++share.heads;
    share.attended += budget.attend.back();
    share.carried += cache_capacity(budget);
  }
  const std::int64_t bytes = token_bytes(plan.plan.model, element_bytes(plan.plan.model)) * plan.totals.rows;
  Table table("By layer and class, mean over heads",
              {{"layer", "Layer"},
               {"class", "Class"},
               {"heads", "Heads"},
               {"attended_tokens", "Attended at the last scale", CellFormat::kFixed, 1},
               {"carried_tokens", "Most carried", CellFormat::kFixed, 1},
               {"allocated_bytes", "Bytes", CellFormat::kBytes}});
  for (const auto& [key, share] : shares) {
    table.add_row({key.first, key.second, share.heads, static_cast<double>(share.attended) / share.heads,
                   static_cast<double>(share.carried) / share.heads, share.carried * bytes});
  }
  return table;
}

/// The rounding of axes is done in a unit that suits the largest value.
struct ByteUnit {
  double size = 1.0;
  const char* name = "bytes";
};

ByteUnit unit_for(double largest) {
  if (largest >= 1024.0 * 1024.0 * 1024.0) return {1024.0 * 1024.0 * 1024.0, "GiB"};
  if (largest >= 1024.0 * 1024.0) return {1024.0 * 1024.0, "MiB"};
  if (largest >= 1024.0) return {1024.0, "KiB"};
  return {};
}

/// Bytes that a cache without compression holds after each step.
std::vector<double> lossless_bytes_after(const NamedPlan& plan) {
  const TokenFlow flow(plan.plan.steps, false);
  const std::int64_t bytes =
      token_bytes(plan.plan.model, element_bytes(plan.plan.model)) * plan.totals.rows * plan.totals.heads;
  std::vector<double> result;
  for (int step = 0; step < plan.plan.steps.size(); ++step)
    result.push_back(static_cast<double>(flow.holdable(step) * bytes));
  return result;
}

std::string bytes_figure(const ReportInputs& inputs, ReportFolder& folder) {
  const std::vector<NamedPlan>& plans = inputs.plans;
  const StepTable& steps = plans.front().plan.steps;
  std::vector<std::pair<std::string, std::vector<double>>> lines;
  lines.emplace_back("without compression", lossless_bytes_after(plans.front()));
  for (const NamedPlan& plan : plans) {
    if (plan.plan.method == "lossless" || plan.plan.steps != steps) continue;
    lines.emplace_back(plan.name, std::vector<double>(plan.totals.bytes_after.begin(), plan.totals.bytes_after.end()));
  }
  double largest = 0.0;
  for (const auto& [name, bytes] : lines) largest = std::max(largest, std::ranges::max(bytes));
  const ByteUnit unit = unit_for(largest);

  LineChart chart;
  chart.title = "Bytes of cache held after each scale";
  chart.width = 700.0;
  chart.height = 320.0;
  chart.x = {"After scale", ValueScale::linear(-0.3, steps.size() - 0.7), step_ticks(steps)};
  std::vector<double> all;
  Table data("", {{"plan", ""}, {"step", ""}, {"bytes_after", ""}});
  for (const auto& [name, bytes] : lines) {
    Series series{name, {}, {}};
    if (chart.series.empty()) {
      series.style = 0;
      series.paint = Role::kMuted;
    } else {
      series.style = inputs.style_of(name);
    }
    for (std::size_t step = 0; step < bytes.size(); ++step) {
      series.x.push_back(static_cast<double>(step));
      series.y.push_back(bytes[step] / unit.size);
      data.add_row({name, static_cast<std::int64_t>(step), static_cast<std::int64_t>(bytes[step])});
    }
    all.insert(all.end(), series.y.begin(), series.y.end());
    chart.series.push_back(std::move(series));
  }
  chart.y = {fmt::format("Cache, {}", unit.name), round_linear_scale(all, true)};
  return figure_html(folder, "bytes_by_scale", line_chart(chart),
                     {"Keys and values held after each scale, one sample, all layers and heads. Nothing is held after "
                      "the last: nobody reads it.",
                      "", &data});
}

/// The most tokens a head ever holds, as a share of T_K: 0 to 1 in every report.
std::string capacity_figure(const NamedPlan& plan, const ReportOptions& options, ReportFolder& folder) {
  const ModelInfo& model = plan.plan.model;
  HeadValues values{fmt::format("Tokens carried by every head under {}", plan.name),
                    "Most tokens carried, share of all tokens (0 to 1)",
                    model.layers,
                    model.kv_heads,
                    {},
                    ValueScale::linear(0.0, 1.0)};
  for (const HeadBudget& budget : plan.plan.heads) {
    values.values.push_back(static_cast<double>(cache_capacity(budget)) / static_cast<double>(plan.totals.key_tokens));
  }
  const ColorMap colors = color_map(options.color_map);
  return figure_html(
      folder, "carried_" + plan.name, head_heat_map(values, colors),
      {"The most tokens each head carries, as a share of all tokens.",
       folder.add_png("carried_" + plan.name + "_pixels", png_bytes(head_image(values, colors))), nullptr});
}

std::string plan_details(const NamedPlan& plan, const ReportOptions& options, ReportFolder& folder) {
  std::string html =
      fmt::format("<details>\n<summary>{}: by scale, layer, class and head</summary>\n", escaped(plan.name));
  for (const std::string& note : plan.plan.notes) html += fmt::format("<p class=\"note\">{}</p>\n", escaped(note));
  html += table_html(folder, "budget_by_scale_" + plan.name, plan_step_table(plan.plan));
  html += table_html(folder, "budget_by_class_" + plan.name, plan_class_table(plan.plan));
  html += table_html(folder, "rules_" + plan.name, plan_rule_table(plan.plan));
  html += table_html(folder, "budget_by_layer_" + plan.name, layers_table(plan));
  return html + capacity_figure(plan, options, folder) + "</details>\n";
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
  section.html += bytes_figure(inputs, folder);
  for (const NamedPlan& plan : inputs.plans) section.html += plan_details(plan, options, folder);
  return section;
}

}  // namespace kvscope
