#pragma once

#include "kernels/compare/compare_result.h"
#include "kernels/replay/replay_measurements.h"

#include <span>
#include <string>
#include <vector>

namespace kvscope {

/// Means and intervals over samples.
[[nodiscard]] CompareMode compare_mode(const TokenMeasurements& measured, const StepTable& steps);

/// Mean of a divided by mean of b, both of the same samples and in every resample of the same draw; not-a-number where
/// b is 0 throughout.
/// @param a, b  as many values >= 0, at least one
[[nodiscard]] Interval ratio_of_means(std::span<const double> a, std::span<const double> b);

/// Cell less other, sample by sample, with the bootstrap interval of the mean difference: what both share (labels,
/// random numbers, how hard a sample is) cancels.
/// @param labels  of the samples; full_classes what the evaluator sees in the full run (empty without one)
[[nodiscard]] CompareDifference compare_cells(const CompareCell& cell, const CompareCell& other,
                                              const std::vector<std::int64_t>& labels,
                                              const std::vector<int>& full_classes);

/// At every budget each method against the other one of least teacher-forced KL, and against each baseline.
/// @param baselines  names of methods; itself is left out
[[nodiscard]] std::vector<CompareDifference> all_differences(const CompareResult& result,
                                                             std::span<const std::string> baselines);

/// The cells to which no other has at most as many bytes and at most as much teacher-forced KL and less of one of them,
/// by bytes, then KL.
[[nodiscard]] std::vector<ParetoPoint> pareto_front(std::span<const CompareCell> cells);

}  // namespace kvscope
