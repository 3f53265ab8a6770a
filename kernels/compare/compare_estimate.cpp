#include "kernels/compare/compare_estimate.h"

#include "collectors/base/stopwatch.h"
#include "collectors/models/request_part.h"
#include "kernels/compare/method_search.h"
#include "kernels/compare/sample_set.h"

#include <algorithm>

namespace kvscope {
namespace {

/// Searches of a comparison, at most: a variant takes over what was found for the method it varies.
std::int64_t candidate_count(const CompareRequest& request) {
  const MethodSearch::Price none;
  const MethodSearch search(request, none);
  std::int64_t count = 0;
  for (const CompareMethod& method : request.methods) {
    const auto is_varied = [&](const CompareMethod& other) { return method.is_variant_of(other); };
    const std::int64_t candidates = std::ssize(search.candidates(method));
    if (candidates > 1 && std::ranges::none_of(request.methods, is_varied)) count += candidates;
  }
  return count * std::ssize(request.budgets);
}

}  // namespace

CompareEstimate estimate_comparison(const Engine& engine, const CompareRequest& request) {
  check_compare_request(engine, request);
  const auto evaluation = static_cast<double>(request.evaluation.labels.size());
  const auto calibration = static_cast<double>(request.calibration.labels.size());
  const std::int64_t count = std::min(request.batch, std::ssize(request.evaluation.labels));
  const auto per_image = [&](const Stopwatch& watch) { return watch.seconds() / static_cast<double>(count); };

  CompareEstimate estimate;
  estimate.cells = std::ssize(request.methods) * std::ssize(request.budgets);
  estimate.candidates = candidate_count(request);
  const auto tokens = static_cast<double>(engine.steps().total_tokens());
  estimate.logit_bytes = static_cast<std::int64_t>((evaluation + (estimate.candidates > 0 ? calibration : 0.0)) *
                                                   tokens * static_cast<double>(engine.vocabulary()) * sizeof(float));
  CompareRequest quiet = request;
  quiet.progress = nullptr;
  quiet.evaluation = part_of(request.evaluation, 0, count);
  const Stopwatch full;
  const SampleSet set(engine, evaluation_set(quiet));
  const double full_per_image = per_image(full);
  estimate.full_seconds = full_per_image * (evaluation + (estimate.candidates > 0 ? calibration : 0.0));
  PlanRequest lossless;
  lossless.method = "lossless";
  const Plan plan = make_plan(lossless, request.inputs);
  const Stopwatch forced;
  (void)set.measure(plan, false);
  estimate.search_seconds = per_image(forced) * calibration * static_cast<double>(estimate.candidates);
  const Stopwatch both;
  (void)set.measure(plan, true);
  estimate.cell_seconds = per_image(both) * evaluation * static_cast<double>(estimate.cells);
  return estimate;
}

}  // namespace kvscope
