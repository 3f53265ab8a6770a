#pragma once

#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Which step a token belongs to, and until when a cache has to hold it. A token is named by its place among all
/// tokens of a generation.
class TokenLifetimes {
 public:
  /// @param keeps_unread  the cache also holds tokens that stay but that no later step reads (plan "full")
  TokenLifetimes(const StepTable& steps, bool keeps_unread);

  [[nodiscard]] std::int32_t step_of(std::int32_t token) const { return step_of_[static_cast<std::size_t>(token)]; }
  /// Whether tokens of step `source` are held after `step`.
  [[nodiscard]] bool outlives(int source, int step) const {
    return last_needed_[static_cast<std::size_t>(source)] > step;
  }

 private:
  std::vector<std::int32_t> step_of_;
  std::vector<int> last_needed_;  ///< [K] last step before which the tokens must be there
};

/// What a head (of one row) holds between steps, in slots 0, 1, ... of its storage.
struct HeldTokens {
  std::vector<std::int32_t> token;  ///< ascending
  std::vector<float> collected;     ///< attention collected so far, where the rule scores by it; else empty
};

/// What a head can attend to at one step: the held tokens that the step sees, then the step's own.
struct HeadCandidates {
  std::vector<std::int32_t> slot;         ///< of the held ones, ascending
  std::vector<std::int32_t> dormant;      ///< slots that the step does not see, ascending
  std::vector<std::int32_t> token;        ///< [n] of all, ascending
  std::vector<std::int32_t> source_step;  ///< [n]

  [[nodiscard]] std::int64_t count() const noexcept { return static_cast<std::int64_t>(token.size()); }
  [[nodiscard]] std::int64_t n_held() const noexcept { return static_cast<std::int64_t>(slot.size()); }
};

[[nodiscard]] HeadCandidates head_candidates(const HeldTokens& held, const StepTable& steps,
                                             const TokenLifetimes& lifetimes, int step);

/// Where tokens (by place in the generation, all seen by `step`) are among the keys of `step`: 0 .. T_k - 1.
[[nodiscard]] std::vector<std::int32_t> positions_among_keys(const StepTable& steps, const TokenLifetimes& lifetimes,
                                                             int step, std::span<const std::int32_t> tokens);

}  // namespace kvscope
