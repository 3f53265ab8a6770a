#include "kernels/cache/token_scoring.h"

#include "collectors/base/error.h"
#include "kernels/attention/pooling.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

std::vector<float> raw_scores(const ScoreSlot& slot, const CandidateFacts& facts) {
  std::vector<float> scores(facts.token.size());
  switch (slot.kind) {
    case TokenScore::kObservedAttention:
    case TokenScore::kAccumulatedAttention:
      require(facts.attention.size() == scores.size(), "token_scores: attention is missing");
      std::ranges::copy(facts.attention, scores.begin());
      break;
    case TokenScore::kCalibratedPrior:
      std::ranges::transform(facts.source_step, scores.begin(),
                             [&](std::int32_t source) { return facts.prior[static_cast<std::size_t>(source)]; });
      break;
    case TokenScore::kLookAhead:
      require(facts.attention.size() == scores.size(), "token_scores: attention is missing");
      for (std::size_t j = 0; j < scores.size(); ++j) {
        scores[j] = facts.prior[static_cast<std::size_t>(facts.source_step[j])] * std::sqrt(facts.attention[j]);
      }
      break;
    case TokenScore::kAge:
      std::ranges::transform(facts.token, scores.begin(), [](std::int32_t token) { return static_cast<float>(token); });
      break;
    case TokenScore::kRandom:
      std::ranges::transform(facts.token, scores.begin(), [&](std::int32_t token) {
        NoiseKey key = facts.noise;
        key.seed = slot.seed;
        key.token = token;
        return token_noise(key);
      });
      break;
  }
  return scores;
}

}  // namespace

std::vector<float> token_scores(const ScoreSlot& slot, const SmoothSlot& smooth, const CandidateFacts& facts) {
  std::vector<float> scores = raw_scores(slot, facts);
  if (slot.times_value_norm) {
    require(facts.value_norm.size() == scores.size(), "token_scores: value norms are missing");
    for (std::size_t j = 0; j < scores.size(); ++j) scores[j] *= facts.value_norm[j];
  }
  switch (smooth.kind) {
    case Smoothing::kNone:
      return scores;
    case Smoothing::kAverage:
      return pool_average(scores, smooth.width);
    case Smoothing::kMaximum:
      return pool_maximum(scores, smooth.width);
  }
  return scores;
}

}  // namespace kvscope
