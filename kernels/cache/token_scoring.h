#pragma once

#include "classifiers/plan/retention_rule.h"
#include "kernels/cache/token_noise.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// What is known of a head's candidates at one step, [n] each, in token order. A span that the rule's score does
/// not ask for may be empty.
struct CandidateFacts {
  std::span<const std::int32_t> token;  ///< place in the generation
  std::span<const std::int32_t> source_step;
  std::span<const float> attention;   ///< of kinds for which needs_attention()
  std::span<const float> value_norm;  ///< ||V_j||_2, of times_value_norm
  std::span<const float> prior;       ///< calibrated weight by source step [K], of kinds for which needs_prior()
  NoiseKey noise;                     ///< of kRandom; its token and seed are filled in
};

/// The score of every candidate: kind, times the value norm if asked for, then smoothed. Higher scores stay.
/// Scores of kAge are exact up to 2^24 tokens.
[[nodiscard]] std::vector<float> token_scores(const ScoreSlot& slot, const SmoothSlot& smooth,
                                              const CandidateFacts& facts);

}  // namespace kvscope
