#pragma once

#include "classifiers/plan/plan.h"
#include "kernels/cache/head_candidates.h"
#include "kernels/cache/head_decision.h"
#include "kernels/cache/ragged_storage.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// Seconds spent, wall clock.
struct CacheSeconds {
  double selection = 0.0;  ///< scores, top-k, merging, compaction and copying what is carried
  double attention = 0.0;
};

/// The compressed cache of one layer: ragged storage, and which tokens every (row, key/value head) holds.
///
/// A head with HeadBudget::quantisation stores 8-bit codes. A step's own tokens are attended to in the run's types and
/// become codes when they are carried on, once: compaction moves codes, attention, scores and value norms read them.
/// Merging averages the values that codes stand for in float32, is attended to so, and what is carried becomes codes
/// again; a token that nothing joined keeps its codes (see dequantise()).
class LayerCache {
 public:
  /// @param plan  must outlive the cache
  LayerCache(const Plan& plan, const TokenLifetimes& lifetimes, int layer, std::int64_t rows, ElementType key_type,
             ElementType value_type);

  /// Forgets all tokens; keeps the storage.
  void clear();

  /// Decides for every (row, key/value head), attends, then carries on what was decided. In parallel over rows
  /// and heads; a row's bits do not depend on the other rows.
  void attend(const LayerStep& call, CacheSeconds& seconds);

  [[nodiscard]] ElementType key_type() const noexcept { return storage_.key_type(); }
  [[nodiscard]] ElementType value_type() const noexcept { return storage_.value_type(); }
  [[nodiscard]] int next_step() const noexcept { return next_step_; }
  [[nodiscard]] std::int64_t held_bytes() const;
  [[nodiscard]] std::int64_t allocated_bytes() const noexcept { return storage_.allocated_bytes(); }
  /// Since clear().
  [[nodiscard]] StoredCodes stored_codes() const noexcept;

  /// Positions, among the keys of the latest step, that (row, head) attended to; ascending.
  [[nodiscard]] std::vector<std::int32_t> attended_positions(std::int64_t row, int head) const;

 private:
  /// One (row, key/value head).
  struct Head {
    HeldTokens held;
    HeadCandidates candidates;           ///< of the step in progress
    HeadDecision decision;               ///< of the step in progress
    CandidateIndex attended_index;       ///< behind the segments of the attention in progress
    std::vector<std::int32_t> attended;  ///< tokens attended to at the latest step
    StoredCodes codes;
  };
  /// A token that stays: its slot, or -1 for one of the step's own; its place among the carried ones, or -1.
  struct Stay {
    std::int32_t slot;
    std::int32_t place;
  };

  /// Tokens to be put into slots.
  struct TokenSource {
    TokenSource(const KeyValueSegment& tokens, std::int64_t head_dim)
        : keys(TokenRows::keys_of(tokens, head_dim)), values(TokenRows::values_of(tokens, head_dim)) {}
    TokenRows keys;
    TokenRows values;
  };

  [[nodiscard]] static KeyValueSegment own_segment(const LayerStep& call, std::int64_t row, std::int64_t head);
  void decide_head(const LayerStep& call, std::int64_t pair);
  [[nodiscard]] RaggedKeys attended_segments(const LayerStep& call, std::int64_t pair);
  void carry_on(const LayerStep& call, std::int64_t pair);
  [[nodiscard]] std::vector<Stay> staying(const Head& head, const HeadBudget& budget, int step) const;
  void move_tokens(const LayerStep& call, std::int64_t pair, const std::vector<Stay>& stays);
  void store(const TokenSource& tokens, std::int64_t token, std::int64_t pair, std::int64_t slot);
  static void update_held(Head& head, const std::vector<Stay>& stays);

  const Plan& plan_;
  const TokenLifetimes& lifetimes_;
  int layer_;
  std::int64_t rows_;
  RaggedStorage storage_;
  std::vector<Head> heads_;  ///< [row, kv_head]
  int next_step_ = 0;
};

}  // namespace kvscope
