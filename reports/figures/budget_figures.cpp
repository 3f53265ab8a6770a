#include "reports/figures/budget_figures.h"

#include "classifiers/plan/token_flow.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/line_chart.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

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

}  // namespace

Figure bytes_figure(const ReportInputs& inputs) {
  require(!inputs.plans.empty(), "bytes_figure: there is no plan");
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
  return {"bytes_by_scale",
          "Keys and values held after each scale, one sample, all layers and heads. Nothing is held after the last: "
          "nobody reads it.",
          line_chart(chart), std::move(data)};
}

HeadValues capacity_values(const NamedPlan& plan) {
  const ModelInfo& model = plan.plan.model;
  HeadValues values{fmt::format("Tokens carried by every head under {}", plan.name),
                    "Most tokens carried, share of all tokens",
                    model.layers,
                    model.kv_heads,
                    {},
                    ValueScale::linear(0.0, 1.0)};
  for (const HeadBudget& budget : plan.plan.heads) {
    values.values.push_back(static_cast<double>(cache_capacity(budget)) / static_cast<double>(plan.totals.key_tokens));
  }
  return values;
}

HeadValues attended_values(const NamedPlan& plan, int step) {
  const ModelInfo& model = plan.plan.model;
  const std::string name = step_name(plan.plan.steps[step]);
  HeadValues values{fmt::format("Tokens attended to by every head at {} under {}", name, plan.name),
                    fmt::format("Tokens attended to at {}, share of its keys", name),
                    model.layers,
                    model.kv_heads,
                    {},
                    ValueScale::linear(0.0, 1.0)};
  const auto n_key = static_cast<double>(plan.plan.steps.n_key(step));
  for (const HeadBudget& budget : plan.plan.heads) {
    values.values.push_back(static_cast<double>(budget.attend.at(static_cast<std::size_t>(step))) / n_key);
  }
  return values;
}

}  // namespace kvscope
