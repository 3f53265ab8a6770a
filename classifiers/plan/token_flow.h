#pragma once

#include "classifiers/plan/retention_rule.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// How many tokens a head can have at every step, given what it carried before: the arithmetic that plans,
/// their checks and caches share.
///
/// Where every step sees all earlier steps that stay (VAR, Infinity) the counts are what one expects: with
/// c tokens carried into step k, c + N_k are available and up to c + N_k may be carried on, except after the
/// last step, whose tokens nobody reads. Where visibility is restricted, which of the carried tokens a step
/// sees depends on the data; then the counts are those that hold in the worst case, so that a plan's numbers
/// are exact for every row.
class TokenFlow {
 public:
  /// @param keeps_unread  a cache that also holds tokens that no later step reads (plan "full")
  TokenFlow(const StepTable& steps, bool keeps_unread);

  [[nodiscard]] int size() const noexcept { return static_cast<int>(own_.size()); }

  /// r_k: tokens that can be attended to at `step` with `carried` tokens in the cache before it:
  /// max(0, carried - dormant_k) + N_k, where dormant_k are tokens held that step k does not see.
  [[nodiscard]] std::int64_t available(int step, std::int64_t carried) const;

  /// The most tokens that can be carried on after `step`: of `carried` + N_k (before attending: of the
  /// attended ones) those that a later step reads.
  [[nodiscard]] std::int64_t carry_limit(int step, std::int64_t carried, std::int64_t attended,
                                         RetentionTime when) const;

  /// Tokens that a cache without compression holds after `step`.
  [[nodiscard]] std::int64_t holdable(int step) const { return at(holdable_, step); }
  /// N_k.
  [[nodiscard]] std::int64_t own(int step) const { return at(own_, step); }
  /// T_k, keys that `step` attends to without compression.
  [[nodiscard]] std::int64_t visible(int step) const { return at(visible_, step); }

 private:
  [[nodiscard]] static std::int64_t at(const std::vector<std::int64_t>& counts, int step) {
    return counts.at(static_cast<std::size_t>(step));
  }

  std::vector<std::int64_t> own_;
  std::vector<std::int64_t> visible_;
  std::vector<std::int64_t> dormant_;   ///< held before the step, not seen by it
  std::vector<std::int64_t> expiring_;  ///< seen by the step, read by no later one
  std::vector<std::int64_t> holdable_;
};

}  // namespace kvscope
