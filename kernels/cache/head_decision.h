#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/compute/packed_head.h"
#include "kernels/attention/ragged_attention.h"
#include "kernels/cache/head_candidates.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvscope {

/// One attention call of a layer: q, k, v of this step and where the output goes.
struct LayerStep {
  int step = 0;
  std::int64_t rows = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t n_query = 0;
  std::int64_t head_dim = 0;
  std::span<const float> softmax_scale;  ///< one for all heads, or [heads]
  std::span<const float> logit_bound;    ///< [heads], or empty: no |logit| of a head is larger
  StridedHeads<const void*> queries;     ///< [rows, heads, n_query, head_dim]
  StridedHeads<const void*> keys;        ///< [rows, kv_heads, n_query, head_dim]
  StridedHeads<const void*> values;      ///< [rows, kv_heads, n_query, head_dim]
  StridedHeads<void*> output;            ///< [rows, heads, n_query, head_dim]
};

/// Keys and values of some tokens, side by side: in the run's element types, or in float32 where the head stores codes.
struct StoredTokens {
  std::vector<std::byte> keys;
  std::vector<std::byte> values;
  ElementType key_type = ElementType::kFloat32;
  ElementType value_type = ElementType::kFloat32;
};

/// What decide() is asked: one (row, key/value head) of one layer at one step.
struct HeadQuestion {
  const Plan& plan;
  const TokenLifetimes& lifetimes;
  const HeadBudget& budget;
  const LayerStep& call;
  std::int64_t row = 0;
  const HeadCandidates& candidates;
  KeyValueSegment held;              ///< the head's storage; slots index it
  KeyValueSegment own;               ///< this step's tokens
  std::span<const float> collected;  ///< [slots] attention collected so far, if the rule scores by it
};

/// What happens to a head's candidates at one step. Indices are places among the candidates, ascending.
struct HeadDecision {
  std::vector<std::int32_t> attended;
  std::vector<std::int32_t> carried;
  /// The attended tokens where losers were merged into them; they then stand for `attended`.
  std::optional<StoredTokens> merged_attended;
  /// The carried tokens where they are not bit for bit what was a candidate.
  std::optional<StoredTokens> merged_carried;
  /// [n] attention collected including this step, if the rule scores by it.
  std::vector<float> collected;
};

/// Applies the head's retention rule and budgets: ranks the candidates if there are more than may stay, selects
/// what is attended to and what is carried on, merges losers. Reads the cache and writes nothing.
///
/// - before attending: the best attend[k] are attended to, the best carry[k] of those are carried on;
/// - after attending: all are attended to, the best carry[k] are carried on;
/// - both budgets: the best attend[k] are attended to, the best carry[k] of all are carried on.
///
/// Only tokens that a later step reads are carried. Held tokens that the step does not see stay as they are and
/// count towards carry[k]; if they alone exceed it, the oldest go (see LayerCache). Where losers merge, those of
/// the attend selection (before attending) join attended tokens, those of the carry selection carried ones.
/// Cost: nothing but index lists if all may stay; else 2 * n_observation * n * head_dim FLOP per query head for
/// rules that observe attention.
[[nodiscard]] HeadDecision decide(const HeadQuestion& question);

/// The candidates `places` as segments of the storage and of the step's own tokens. The index lists live in
/// `index`, which must outlive the result.
struct CandidateIndex {
  std::vector<std::int32_t> held;
  std::vector<std::int32_t> own;
};
[[nodiscard]] RaggedKeys segments_of(const HeadCandidates& candidates, std::span<const std::int32_t> places,
                                     const KeyValueSegment& held, const KeyValueSegment& own, CandidateIndex& index);

/// Tokens in StoredTokens as a segment.
[[nodiscard]] KeyValueSegment segment_of(const StoredTokens& tokens, std::int64_t head_dim);

}  // namespace kvscope
