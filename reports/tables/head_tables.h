#pragma once

#include "analysis/scores.h"
#include "classifiers/heads/compare.h"
#include "classifiers/heads/heads.h"
#include "reports/tables/table.h"

namespace kvscope {

/// The mean of every score of every head at one branch and step, in (layer, head) order, with the interval of the
/// column variance. Scores that are defined nowhere in it are left out.
[[nodiscard]] Table score_table(const Scores& scores, int branch, int step);

/// score_table() with the mean over the heads of each layer.
[[nodiscard]] Table layer_score_table(const Scores& scores, int branch, int step);

/// How stable every score's ranking of the heads is at one branch and step: over samples, steps and branches.
[[nodiscard]] Table stability_table(const Scores& scores, int branch, int step);

/// `table` with its rows by falling value of a column, which has to exist; rows without a value last.
[[nodiscard]] Table sorted_by(const Table& table, std::string_view column);

/// All heads of a classification: class, score, margin, confidence, posterior.
[[nodiscard]] Table head_table(const HeadClassification& classification);

/// A line per layer: the class map (C contextual, S structural, lower case where borderline), how many are contextual,
/// the mean score, the smallest margin and the lowest confidence.
[[nodiscard]] Table class_map_table(const HeadClassification& classification);

/// The borderline heads, least certain first.
[[nodiscard]] Table borderline_table(const HeadClassification& classification);

/// The heads that two classifications see differently.
[[nodiscard]] Table differing_table(const HeadComparison& comparison);

}  // namespace kvscope
