#pragma once

#include "analysis/scores.h"
#include "classifiers/heads/heads.h"

#include <cstdint>
#include <string_view>

namespace kvscope {

/// Contextual and structural heads by one of head_split_names():
///
/// - a classifier: the share alpha of heads of lowest score, as `kvscope classify --alpha` does; "elbow" finds a share
///   of its own;
/// - "order": the first floor(alpha L H) heads in order of layer and head;
/// - "random": as many, drawn with `seed`.
///
/// The latter two are the ablation of HACK (arXiv 2504.09261): what is a classification worth beyond its share?
/// @param alpha  share of contextual heads, in [0, 1]
[[nodiscard]] HeadClassification split_heads(const Scores& scores, std::string_view split, double alpha,
                                             std::uint64_t seed);

}  // namespace kvscope
