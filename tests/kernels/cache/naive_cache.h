#pragma once

#include "classifiers/plan/plan.h"

#include <cstdint>
#include <vector>

namespace kvscope::testing {

using Vector = std::vector<double>;

/// One token as plainly as can be.
struct NaiveToken {
  int place = 0;  ///< in the generation
  int step = 0;
  Vector key;
  Vector value;
  double collected = 0.0;
  bool is_stored = false;  ///< carried before, and not changed since
};

/// What a compressed cache must do, for one (row, key/value head), written down from the documentation of
/// RetentionRule with lists and sorting in double precision: nothing is shared with the cache under test but
/// the counter-based noise.
class NaiveHead {
 public:
  NaiveHead(const Plan& plan, int layer, int head, int row) : plan_(plan), layer_(layer), head_(head), row_(row) {}

  /// @param queries  [query head of the group][query][channel], with the softmax scale already in them
  /// @param own      this step's tokens, keys and values filled in
  /// @return         outputs, as `queries`
  std::vector<std::vector<Vector>> attend(int step, const std::vector<std::vector<Vector>>& queries,
                                          std::vector<NaiveToken> own);

  [[nodiscard]] const std::vector<NaiveToken>& held() const { return held_; }
  /// Places of the tokens that the latest attend() attended to.
  [[nodiscard]] const std::vector<int>& attended() const { return attended_; }

 private:
  using Tokens = std::vector<NaiveToken>;
  [[nodiscard]] bool is_needed_after(int source, int step) const;
  [[nodiscard]] Vector weights(const Tokens& tokens, const Vector& query) const;
  Vector scores(int step, const std::vector<std::vector<Vector>>& queries, Tokens& candidates) const;
  [[nodiscard]] std::vector<bool> selected(int step, const Tokens& tokens, const Vector& scores,
                                           std::int64_t budget) const;
  void store(Tokens& carried) const;
  [[nodiscard]] Tokens without_losers(int step, const Tokens& tokens, const std::vector<bool>& stays) const;

  const Plan& plan_;
  int layer_;
  int head_;
  int row_;
  Tokens held_;
  std::vector<int> attended_;
};

}  // namespace kvscope::testing
