#include "kernels/compare/compare_figures.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kvscope {
namespace {

CompareDifference::Figure mean_difference(std::span<const double> a, std::span<const double> b) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i) {
    // A PSNR may be infinite; such a pair of runs has no difference.
    if (std::isfinite(a[i]) && std::isfinite(b[i])) differences.push_back(a[i] - b[i]);
  }
  return {.difference = bootstrap_mean(differences), .samples = std::ssize(differences)};
}

const CompareCell* best_other(const std::vector<const CompareCell*>& cells, const CompareCell& cell) {
  const CompareCell* best = nullptr;
  for (const CompareCell* other : cells) {
    if (other == &cell) continue;
    if (best == nullptr || other->teacher_forced.kl.mean < best->teacher_forced.kl.mean) best = other;
  }
  return best;
}

bool dominates(const CompareCell& a, const CompareCell& b) {
  const std::int64_t a_bytes = a.plan.allocated_bytes;
  const std::int64_t b_bytes = b.plan.allocated_bytes;
  const double a_kl = a.teacher_forced.kl.mean;
  const double b_kl = b.teacher_forced.kl.mean;
  return a_bytes <= b_bytes && a_kl <= b_kl && (a_bytes < b_bytes || a_kl < b_kl);
}

}  // namespace

CompareMode compare_mode(const TokenMeasurements& measured, const StepTable& steps) {
  CompareMode mode;
  mode.token_agreement = bootstrap_mean(over_tokens(measured.token_agreement, steps));
  mode.kl = bootstrap_mean(over_tokens(measured.kl, steps));
  for (int step = 0; step < steps.size(); ++step) {
    mode.steps.push_back({.step = step,
                          .token_agreement = bootstrap_mean(measured.token_agreement.slice(step)),
                          .kl = bootstrap_mean(measured.kl.slice(step))});
  }
  return mode;
}

Interval ratio_of_means(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size() && !a.empty(), "ratio_of_means: as many values of both, at least one");
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  if (std::ranges::all_of(b, [](double value) { return value == 0.0; })) return {kNothing, kNothing, kNothing};
  return bootstrap(std::ssize(a), [&](std::span<const std::int64_t> drawn) {
    double numerator = 0.0;
    double denominator = 0.0;
    for (const std::int64_t i : drawn) {
      numerator += a[static_cast<std::size_t>(i)];
      denominator += b[static_cast<std::size_t>(i)];
    }
    return denominator > 0.0 ? numerator / denominator : std::numeric_limits<double>::infinity();
  });
}

CompareDifference compare_cells(const CompareCell& cell, const CompareCell& other,
                                const std::vector<std::int64_t>& labels, const std::vector<int>& full_classes) {
  const CompareValues& a = cell.values;
  const CompareValues& b = other.values;
  CompareDifference difference;
  difference.budget = cell.budget;
  difference.method = cell.method;
  difference.other = other.method;
  difference.figures = {{"teacher_forced_kl", mean_difference(a.forced_kl, b.forced_kl)},
                        {"teacher_forced_token_agreement", mean_difference(a.forced_agreement, b.forced_agreement)},
                        {"free_running_kl", mean_difference(a.free_kl, b.free_kl)},
                        {"free_running_token_agreement", mean_difference(a.free_agreement, b.free_agreement)},
                        {"psnr", mean_difference(a.psnr, b.psnr)},
                        {"ssim", mean_difference(a.ssim, b.ssim)}};
  if (!full_classes.empty()) {
    const std::span<const std::int64_t> asked(labels);
    const std::span<const int> full(full_classes);
    difference.figures["class_accuracy"] = mean_difference(class_hits(a.classes, asked), class_hits(b.classes, asked));
    difference.figures["class_agreement"] = mean_difference(class_hits(a.classes, full), class_hits(b.classes, full));
  }
  difference.ratios = {{"teacher_forced_kl", ratio_of_means(a.forced_kl, b.forced_kl)},
                       {"free_running_kl", ratio_of_means(a.free_kl, b.free_kl)}};
  return difference;
}

std::vector<CompareDifference> all_differences(const CompareResult& result, std::span<const std::string> baselines) {
  std::vector<CompareDifference> differences;
  for (const CompareCell& cell : result.cells) {
    std::vector<const CompareCell*> at_budget;
    for (const CompareCell& other : result.cells) {
      if (other.budget == cell.budget) at_budget.push_back(&other);
    }
    const auto add = [&](const CompareCell& other, const char* against) {
      differences.push_back(compare_cells(cell, other, result.evaluation.labels, result.full.classes));
      differences.back().against = against;
    };
    if (const CompareCell* best = best_other(at_budget, cell)) add(*best, "best");
    for (const std::string& baseline : baselines) {
      const CompareCell* other = result.find(baseline, cell.budget);
      if (other != nullptr && other != &cell) add(*other, "baseline");
    }
  }
  return differences;
}

std::vector<ParetoPoint> pareto_front(std::span<const CompareCell> cells) {
  std::vector<ParetoPoint> front;
  for (const CompareCell& cell : cells) {
    if (std::ranges::any_of(cells, [&](const CompareCell& other) { return dominates(other, cell); })) continue;
    front.push_back({.method = cell.method,
                     .budget = cell.budget,
                     .allocated_bytes = cell.plan.allocated_bytes,
                     .kl = cell.teacher_forced.kl.mean});
  }
  std::ranges::stable_sort(front, [](const ParetoPoint& a, const ParetoPoint& b) {
    return std::pair(a.allocated_bytes, a.kl) < std::pair(b.allocated_bytes, b.kl);
  });
  return front;
}

}  // namespace kvscope
