#pragma once

#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "reports/atlas/head_maps.h"
#include "reports/figures/figure.h"
#include "reports/pictures/value_scale.h"

#include <optional>

namespace kvscope {

/// The scale that pictures of single heads share: that of a score's means over all heads, steps and branches
/// (score_scale). Nothing if no head has the score.
[[nodiscard]] std::optional<ValueScale> score_scale_of_run(const Scores& scores, const HeadScore& score);

/// A score of one head over steps, with its 95 % interval over samples, against the means of both classes where a
/// classification is given. Data: step, mean, low, high, contextual and structural mean.
/// @throws Error  kUsage if no head has the score.
[[nodiscard]] Figure score_over_scales_figure(const Scores& scores, const HeadScore& score, HeadPlace head, int branch,
                                              const HeadClassification* classification);

/// Every sample's scores of one head at one step: how much it changes from sample to sample. Scores that are not per
/// sample are left out. Data: score, sample, value, mean, deviation.
[[nodiscard]] Figure score_spread_figure(const Scores& scores, HeadPlace head, int step, int branch);

}  // namespace kvscope
