#include "classifiers/plan/step_budgets.h"

#include "classifiers/plan/allocation.h"
#include "classifiers/plan/plan_building.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace kvscope {
namespace {

void check_total(std::span<const CostCurve> curves, double total) {
  double least = 0.0;
  for (const CostCurve& curve : curves) least += curve.tokens.front();
  if (least <= total) return;
  throw usage_error("{:.0f} tokens in all are fewer than the {:.0f} of the smallest budgets that were priced", total,
                    least);
}

}  // namespace

StepBudgets step_budgets(const std::vector<std::vector<CostCurve>>& curves, BudgetLimit limit, std::int64_t total) {
  StepBudgets budgets;
  if (limit == BudgetLimit::kPeak) {
    for (const std::vector<CostCurve>& heads : curves) {
      check_total(heads, static_cast<double>(total));
      budgets.push_back(hull_budgets(heads, static_cast<double>(total)));
    }
    return budgets;
  }
  require(limit == BudgetLimit::kAverage, "step_budgets: fixed buffers have no budgets by step");
  std::vector<CostCurve> all;
  for (const std::vector<CostCurve>& heads : curves) all.insert(all.end(), heads.begin(), heads.end());
  const double total_of_steps = static_cast<double>(total) * static_cast<double>(curves.size());
  check_total(all, total_of_steps);
  const std::vector<double> tokens = hull_budgets(all, total_of_steps);
  auto next = tokens.begin();
  for (const std::vector<CostCurve>& heads : curves) {
    budgets.emplace_back(next, next + std::ssize(heads));
    next += std::ssize(heads);
  }
  return budgets;
}

void give_step_counts(Plan& plan, const StepBudgets& budgets, BudgetLimit limit, std::int64_t total) {
  double allowed = 0.0;
  std::int64_t used = 0;
  fill_counts(plan, {}, [&](int step, const std::vector<std::int64_t>& room) {
    const auto k = static_cast<std::size_t>(step);
    if (k == budgets.size()) return room;  // after the last step nothing is read any more
    allowed += std::accumulate(budgets[k].begin(), budgets[k].end(), 0.0);
    const std::int64_t of_step = limit == BudgetLimit::kPeak ? total : total_tokens(allowed, 1) - used;
    std::vector<std::int64_t> tokens = round_budgets(budgets[k], room, of_step);
    used += std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
    return tokens;
  });
}

}  // namespace kvscope
