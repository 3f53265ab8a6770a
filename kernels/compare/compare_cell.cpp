#include "kernels/compare/compare_cell.h"

#include "classifiers/plan/accounting.h"
#include "kernels/compare/budget_plan.h"
#include "kernels/compare/compare_figures.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace kvscope {
namespace {

void fill_in_images(const PlanMeasurement& measured, const SampleSet& set, const FeatureStatistics* reference,
                    CompareCell& cell) {
  CompareFreeRunning& run = cell.free_running;
  run.psnr = summarise_psnr(measured.likeness.psnr);
  run.identical_images = std::ranges::count_if(measured.likeness.psnr, [](double value) { return std::isinf(value); });
  run.ssim = bootstrap_mean(measured.likeness.ssim);
  run.frechet = measured.images.frechet(reference);
  if (cell.values.classes.empty()) return;
  const std::span<const std::int64_t> labels(set.request().labels);
  const std::span<const int> full(set.images().classes());
  run.class_accuracy = bootstrap_mean(class_hits(cell.values.classes, labels));
  run.class_agreement = bootstrap_mean(class_hits(cell.values.classes, full));
}

}  // namespace

ComparePlan plan_summary(const Plan& plan) {
  const PlanTotals totals = plan_totals(plan);
  ComparePlan result;
  result.method = plan.method;
  result.parameters = plan.parameters;
  result.sha256 = plan_effect_sha256(plan);
  for (const HeadBudget& head : plan.heads) {
    ++result.rules[head.rule];
    if (!head.head_class) continue;
    result.contextual_heads =
        result.contextual_heads.value_or(0) + (*head.head_class == HeadClass::kContextual ? 1 : 0);
  }
  result.predicted_bytes = totals.allocated_bytes;
  result.attended_share = totals.attended_share();
  result.carried_share = totals.carried_share_of_earlier();
  result.notes = plan.notes;
  return result;
}

void fill_in(const PlanMeasurement& measured, const SampleSet& set, const StepTable& steps,
             const FeatureStatistics* reference, CompareCell& cell) {
  cell.plan.allocated_bytes = measured.allocated_bytes;
  cell.plan.peak_bytes = measured.peak_bytes;
  cell.seconds.generation = bootstrap_mean(measured.seconds);
  cell.seconds.attention = measured.attention;
  cell.seconds.selection = measured.selection;
  cell.values.forced_kl = over_tokens(measured.teacher_forced.kl, steps);
  cell.values.forced_agreement = over_tokens(measured.teacher_forced.token_agreement, steps);
  cell.values.free_kl = over_tokens(measured.free_running->kl, steps);
  cell.values.free_agreement = over_tokens(measured.free_running->token_agreement, steps);
  cell.values.psnr = measured.likeness.psnr;
  cell.values.ssim = measured.likeness.ssim;
  cell.values.classes = measured.images.classes();
  cell.teacher_forced = compare_mode(measured.teacher_forced, steps);
  static_cast<CompareMode&>(cell.free_running) = compare_mode(*measured.free_running, steps);
  fill_in_images(measured, set, reference, cell);
}

CompareFull full_figures(const SampleSet& set, const FeatureStatistics* reference) {
  CompareFull full;
  full.seconds = bootstrap_mean(set.seconds());
  full.classes = set.images().classes();
  full.frechet = set.images().frechet(reference);
  if (full.classes.empty()) return full;
  full.class_accuracy = bootstrap_mean(class_hits(full.classes, std::span<const std::int64_t>(set.request().labels)));
  return full;
}

}  // namespace kvscope
