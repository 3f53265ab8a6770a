#include "reports/atlas/synthetic_compare.h"

#include "kernels/compare/compare_figures.h"

#include <string>

namespace kvscope::testing {
namespace {

constexpr int kSamples = 6;

struct Invented {
  std::string method;
  double kl;  ///< at a quarter
};

CompareCell invented_cell(const Invented& invented, double budget, const CompareCache& cache, const StepTable& steps) {
  CompareCell cell;
  cell.method = invented.method;
  cell.budget = budget;
  cell.budget_bytes = static_cast<std::int64_t>(budget * static_cast<double>(cache.lossless_bytes));
  const bool knows_classes = invented.method.starts_with("hack");
  cell.parameters = knows_classes ? Json{{"alpha", 0.35}} : Json::object();
  if (invented.method == "hack") cell.search = {{0.35, {}, 0.02}, {0.65, {}, 0.03}};
  cell.plan.method = knows_classes ? "hack" : "uniform";
  cell.plan.parameters = cell.parameters;
  cell.plan.sha256 = "0123";
  if (knows_classes) cell.plan.contextual_heads = 3;
  cell.plan.rules = {{"window", 8}};
  cell.plan.predicted_bytes = cell.budget_bytes - 16;
  cell.plan.allocated_bytes = cell.plan.predicted_bytes;
  cell.plan.peak_bytes = cell.plan.predicted_bytes;
  cell.plan.attended_share = budget;
  cell.plan.carried_share = budget;
  for (int sample = 0; sample < kSamples; ++sample) {
    const double kl = invented.kl * 0.25 / budget * (0.75 + 0.1 * sample);
    cell.values.forced_kl.push_back(kl);
    cell.values.forced_agreement.push_back(1.0 - kl);
    cell.values.free_kl.push_back(2.0 * kl);
    cell.values.free_agreement.push_back(1.0 - kl);
    cell.values.psnr.push_back(30.0 - 20.0 * kl);
    cell.values.ssim.push_back(1.0 - kl / 2.0);
  }
  cell.teacher_forced.kl = bootstrap_mean(cell.values.forced_kl);
  cell.teacher_forced.token_agreement = bootstrap_mean(cell.values.forced_agreement);
  static_cast<CompareMode&>(cell.free_running) = {
      {}, bootstrap_mean(cell.values.free_agreement), bootstrap_mean(cell.values.free_kl)};
  for (int step = 0; step < steps.size(); ++step) {
    cell.teacher_forced.steps.push_back({step, cell.teacher_forced.token_agreement, cell.teacher_forced.kl});
    cell.free_running.steps.push_back({step, cell.free_running.token_agreement, cell.free_running.kl});
  }
  cell.free_running.psnr = bootstrap_mean(cell.values.psnr);
  cell.free_running.ssim = bootstrap_mean(cell.values.ssim);
  cell.seconds.generation = {0.1, 0.09, 0.11};
  cell.seconds.total = 1.0;
  return cell;
}

}  // namespace

CompareResult invented_compare(const ModelInfo& model, const StepTable& steps) {
  CompareResult result;
  result.complete = true;
  result.model = model;
  result.steps = steps;
  const std::vector<Invented> methods = {
      {"hack", 0.1}, {"hack@diagonal", 0.11}, {"hack@random", 0.15}, {"uniform:window", 0.2}};
  result.request = {
      {"methods", Json::array()}, {"budgets", {0.25, 0.5}}, {"alphas", {0.35, 0.65}},         {"taus", {0.0}},
      {"attend", nullptr},        {"heads_seed", 0},        {"baselines", {"uniform:window"}}};
  for (const Invented& method : methods) result.request["methods"].push_back(method.method);
  result.run = {{"command_line", "kvscope compare --capture capture.h5"}, {"seed", 1000}};
  result.made_from = {{"capture", nullptr}};
  result.evaluation.seed = 1000;
  result.calibration.seed = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    result.evaluation.samples.push_back(sample);
    result.evaluation.labels.push_back(sample);
  }
  result.calibration.samples = {0, 1};
  result.calibration.labels = {0, 1};
  result.cache = {2, 64000, 48000, 32000};
  result.full.seconds = {0.1, 0.09, 0.11};
  for (const double budget : {0.25, 0.5}) {
    for (const Invented& method : methods) result.cells.push_back(invented_cell(method, budget, result.cache, steps));
  }
  const std::vector<std::string> baselines = {"uniform:window"};
  result.differences = all_differences(result, baselines);
  result.pareto = pareto_front(result.cells);
  return result;
}

}  // namespace kvscope::testing
