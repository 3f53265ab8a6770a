#pragma once

#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "reports/figures/figure.h"

#include <cstddef>
#include <string>
#include <vector>

namespace kvscope {

/// What the classification's score is called.
[[nodiscard]] std::string score_label(const HeadClassification& classification);
/// "column_variance" as "Column variance".
[[nodiscard]] std::string score_title(const HeadScore& score);
/// Indices of the borderline heads: those the classifier is unsure of.
[[nodiscard]] std::vector<std::size_t> borderline_indices(const HeadClassification& classification);

/// The class of every head; data: head_table().
[[nodiscard]] Figure class_figure(const HeadClassification& classification);
/// What the classification sorts by.
[[nodiscard]] HeadValues classified_values(const HeadClassification& classification);
/// All heads by rising score, with the split; data: head_table().
[[nodiscard]] Figure sorted_scores_figure(const HeadClassification& classification);

/// Mean over samples of one score of every head. Shares have the fixed range 0 to 1, so that pictures of any two runs
/// compare; other scores get round numbers around what was found.
[[nodiscard]] HeadValues score_values(const Scores& scores, const HeadScore& score, int branch, int step);
/// The scale that score_values() gives to numbers of this score.
[[nodiscard]] ValueScale score_scale(const HeadScore& score, const std::vector<double>& values);
/// ", 0 to 1" or ", 0.01 to 1 (log)" for the end of a legend's label.
[[nodiscard]] std::string range_words(const ValueScale& scale);
/// Whether any head has a number.
[[nodiscard]] bool any_finite(const std::vector<double>& values) noexcept;

}  // namespace kvscope
