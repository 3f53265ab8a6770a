#pragma once

#include "classifiers/plan/plan.h"
#include "kernels/compare/compare_result.h"
#include "kernels/compare/sample_set.h"

namespace kvscope {

/// All that is known of a plan before it runs.
[[nodiscard]] ComparePlan plan_summary(const Plan& plan);

/// Fills in what the plan did: bytes, figures with their intervals, seconds, values per sample.
/// @param set        that the plan was measured on, with images
/// @param reference  may be nullptr
void fill_in(const PlanMeasurement& measured, const SampleSet& set, const StepTable& steps,
             const FeatureStatistics* reference, CompareCell& cell);

/// The figures of the set's full run.
[[nodiscard]] CompareFull full_figures(const SampleSet& set, const FeatureStatistics* reference);

}  // namespace kvscope
