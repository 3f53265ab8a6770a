#pragma once

#include "kernels/compare/compare_figures.h"
#include "kernels/compare/compare_result.h"

#include <string>
#include <vector>

namespace kvscope::testing {

/// A cell of four samples with this teacher-forced KL per sample; every other value follows from it.
[[nodiscard]] inline CompareCell sample_cell(const std::string& method, double budget, const std::vector<double>& kl) {
  CompareCell cell;
  cell.method = method;
  cell.budget = budget;
  cell.budget_bytes = static_cast<std::int64_t>(1000 * budget);
  cell.parameters = {{"alpha", 0.35}};
  cell.search = {{.alpha = 0.2, .tau = std::nullopt, .kl = 0.5}, {.alpha = 0.35, .tau = std::nullopt, .kl = 0.25}};
  cell.plan.method = "hack";
  cell.plan.parameters = {{"bytes", cell.budget_bytes}};
  cell.plan.sha256 = "ab" + method;
  cell.plan.contextual_heads = 2;
  cell.plan.rules = {{"window", 6}};
  cell.plan.predicted_bytes = cell.budget_bytes - 4;
  cell.plan.allocated_bytes = cell.budget_bytes - 4;
  cell.plan.peak_bytes = cell.budget_bytes - 8;
  cell.plan.attended_share = 0.75;
  cell.plan.carried_share = 0.5;
  cell.plan.notes = {"a note"};
  cell.values.forced_kl = kl;
  for (const double value : kl) {
    cell.values.forced_agreement.push_back(1.0 / (1.0 + value));
    cell.values.free_kl.push_back(2.0 * value);
    cell.values.free_agreement.push_back(1.0 / (1.0 + 2.0 * value));
    cell.values.psnr.push_back(30.0 - value);
    cell.values.ssim.push_back(1.0 - value / 100.0);
    cell.values.classes.push_back(value > 2.0 ? 1 : 0);
  }
  const auto fill = [&](CompareMode& mode, const std::vector<double>& divergence,
                        const std::vector<double>& agreement) {
    mode.kl = bootstrap_mean(divergence);
    mode.token_agreement = bootstrap_mean(agreement);
    for (int step = 0; step < 2; ++step) mode.steps.push_back({step, mode.token_agreement, mode.kl});
  };
  fill(cell.teacher_forced, cell.values.forced_kl, cell.values.forced_agreement);
  fill(cell.free_running, cell.values.free_kl, cell.values.free_agreement);
  cell.free_running.psnr = bootstrap_mean(cell.values.psnr);
  cell.free_running.ssim = bootstrap_mean(cell.values.ssim);
  cell.free_running.class_accuracy = Interval{0.5, 0.25, 0.75};
  cell.free_running.class_agreement = Interval{0.75, 0.5, 1.0};
  cell.free_running.frechet = Interval{3.0, 2.0, 4.0};
  cell.seconds = {.generation = {0.5, 0.25, 0.75}, .attention = 0.125, .selection = 0.0625, .total = 8.0};
  return cell;
}

/// Two methods at two budgets on four samples; 2 layers of 3 heads, scales 1 and 2.
[[nodiscard]] inline CompareResult sample_compare() {
  const int sides[] = {1, 2};
  CompareResult result;
  result.complete = true;
  result.model = {.family = "var",
                  .fingerprint = "ab",
                  .layers = 2,
                  .heads = 3,
                  .kv_heads = 3,
                  .head_dim = 4,
                  .branches = {"conditional", "unconditional"}};
  result.steps = StepTable::square(sides);
  result.request = {{"methods", {"hack", "sensitivity"}},
                    {"budgets", {0.25, 0.5}},
                    {"alphas", {0.2, 0.35}},
                    {"taus", {0.5}},
                    {"attend", nullptr},
                    {"heads_seed", 0},
                    {"baselines", {"hack"}}};
  result.run = {{"seed", 1000}, {"command_line", "kvscope compare"}};
  result.made_from = {{"capture", {{"path", "c.h5"}, {"sha256", "cd"}}}, {"sensitivity", nullptr}};
  result.evaluation = {.seed = 1000, .samples = {0, 1, 2, 3}, .labels = {0, 1, 0, 1}};
  result.calibration = {.seed = 0, .samples = {0, 1}, .labels = {0, 1}};
  result.cache = {.rows = 2, .published_bytes = 3000, .full_bytes = 2000, .lossless_bytes = 1000};
  result.full.seconds = {0.25, 0.125, 0.5};
  result.full.class_accuracy = Interval{1.0, 1.0, 1.0};
  result.full.frechet = Interval{2.0, 1.0, 3.0};
  result.full.classes = {0, 1, 0, 1};
  result.cells = {
      sample_cell("hack", 0.25, {1.0, 2.0, 3.0, 6.0}), sample_cell("sensitivity", 0.25, {0.5, 1.0, 1.5, 3.0}),
      sample_cell("hack", 0.5, {0.5, 0.25, 0.125, 1.0}), sample_cell("sensitivity", 0.5, {0.5, 0.5, 0.5, 0.5})};
  const std::vector<std::string> baselines = {"hack"};
  result.differences = all_differences(result, baselines);
  result.pareto = pareto_front(result.cells);
  return result;
}

}  // namespace kvscope::testing
