#include "kernels/cache/head_candidates.h"

#include <limits>

namespace kvscope {

TokenLifetimes::TokenLifetimes(const StepTable& steps, bool keeps_unread) {
  for (int step = 0; step < steps.size(); ++step) {
    step_of_.insert(step_of_.end(), static_cast<std::size_t>(steps.n_query(step)), step);
    last_needed_.push_back(keeps_unread && steps[step].stays ? std::numeric_limits<int>::max() : step);
    for (const int source : steps.sources(step)) {
      int& last = last_needed_[static_cast<std::size_t>(source)];
      if (last < step) last = step;
    }
  }
}

HeadCandidates head_candidates(const HeldTokens& held, const StepTable& steps, const TokenLifetimes& lifetimes,
                               int step) {
  HeadCandidates candidates;
  const std::size_t most = held.token.size() + static_cast<std::size_t>(steps.n_query(step));
  candidates.slot.reserve(held.token.size());
  candidates.token.reserve(most);
  candidates.source_step.reserve(most);
  const auto add = [&](std::int32_t token, int source) {
    candidates.token.push_back(token);
    candidates.source_step.push_back(source);
  };
  for (std::size_t slot = 0; slot < held.token.size(); ++slot) {
    const std::int32_t source = lifetimes.step_of(held.token[slot]);
    if (steps.sees(step, source)) {
      candidates.slot.push_back(static_cast<std::int32_t>(slot));
      add(held.token[slot], source);
    } else {
      candidates.dormant.push_back(static_cast<std::int32_t>(slot));
    }
  }
  const auto first = static_cast<std::int32_t>(steps.token_offset(step));
  for (std::int32_t i = 0; i < steps.n_query(step); ++i) add(first + i, step);
  return candidates;
}

std::vector<std::int32_t> positions_among_keys(const StepTable& steps, const TokenLifetimes& lifetimes, int step,
                                               std::span<const std::int32_t> tokens) {
  std::vector<std::int32_t> positions;
  positions.reserve(tokens.size());
  for (const std::int32_t token : tokens) {
    const int source = lifetimes.step_of(token);
    positions.push_back(static_cast<std::int32_t>(steps.key_offset(step, source) + token - steps.token_offset(source)));
  }
  return positions;
}

}  // namespace kvscope
