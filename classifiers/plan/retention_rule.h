#pragma once

#include "collectors/base/json_file.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// How a head's tokens are ranked; higher scores stay, ties go to the lower index.
///
/// At step k the candidates are the tokens that were carried and are visible to step k, then the N_k own
/// tokens, in token order. Scores are computed over the candidates only, in this order: `kind`, times the
/// value norm if asked for, then smoothing.
enum class TokenScore {
  /// Mean over the observation queries of this step of softmax(q K^T)_j over the candidates (SnapKV, HACK).
  kObservedAttention,
  /// That sum over all queries of this step, plus what the token collected at earlier steps (H2O).
  kAccumulatedAttention,
  /// phi^(k, s(j)): one calibrated weight per (step, source step of the token), from Plan::prior (HACK++).
  kCalibratedPrior,
  /// Phi^(k, s(j)) * sqrt(abar_k[j]): what later steps take of the token's source step, from Plan::prior, times the
  /// root of the mean attention that the observation queries of this step pay to j. With the value norm: our
  /// look-ahead score, what later queries will take from the token.
  kLookAhead,
  /// The token's place in the generation: newer tokens score higher (StreamingLLM).
  kAge,
  /// Counter-based noise keyed by (seed, row, layer, head, step, token).
  kRandom,
};

struct ScoreSlot {
  TokenScore kind = TokenScore::kObservedAttention;
  /// Queries of kObservedAttention and kLookAhead: i_m = floor((m + 1/2) N_k / n) for m = 0 .. n-1; all of them if
  /// N_k <= n or n = 0. The other kinds ignore it.
  int observation_queries = 32;
  bool times_value_norm = false;  ///< multiply by ||V_j||_2
  std::uint64_t seed = 0;         ///< of kRandom
  bool operator==(const ScoreSlot&) const = default;
};

/// Whether scores of this kind need attention weights of the step.
/// Whether scores of this kind need attention weights of the step.
[[nodiscard]] bool needs_attention(TokenScore kind) noexcept;
/// Whether they look at the observation queries only.
[[nodiscard]] bool samples_queries(TokenScore kind) noexcept;
/// Whether they need calibrated weights (Plan::prior).
[[nodiscard]] bool needs_prior(TokenScore kind) noexcept;

enum class Smoothing { kNone, kAverage, kMaximum };

/// Pools scores over neighbouring candidates (1-D over their order, stride 1; beyond the edges there is
/// nothing: a maximum ignores it, an average divides by the neighbours that exist).
struct SmoothSlot {
  Smoothing kind = Smoothing::kNone;
  int width = 5;  ///< odd, in tokens
  bool operator==(const SmoothSlot&) const = default;
};

/// A set of candidates that stays before any score is asked.
enum class ProtectedSet { kFirstSteps, kCurrentStep, kRecentTokens };

/// Protected candidates stay first; what is left of the budget goes to the rest by score. A candidate is
/// protected as long as any of its sets protects it.
struct ProtectSlot {
  int first_steps = 0;             ///< all tokens of the first so many steps
  bool current_step = false;       ///< all tokens of the step being processed
  std::int64_t recent_tokens = 0;  ///< the last so many tokens
  /// If the protected candidates do not fit the budget, sets give way in this order, their oldest tokens
  /// first, until they fit. Names each set once.
  std::vector<ProtectedSet> gives_way = {ProtectedSet::kFirstSteps, ProtectedSet::kCurrentStep,
                                         ProtectedSet::kRecentTokens};
  bool operator==(const ProtectSlot&) const = default;
};

enum class Losers {
  kDrop,
  /// Joins the kept token of the same row and head with the largest cosine similarity of keys (ties: lower
  /// index); K and V of a kept token become the mean over itself and those that joined (LOOK-M).
  kMerge,
};

struct LoserSlot {
  Losers kind = Losers::kDrop;
  bool last_step_only = false;  ///< merge at the last step, drop before it (HACK)
  bool operator==(const LoserSlot&) const = default;
};

/// When tokens are selected, relative to the attention of the step. attend[k] and carry[k] are the counts of
/// HeadBudget; a count that is no smaller than the number of candidates keeps them all without ranking.
enum class RetentionTime {
  /// The best attend[k] stay, the losers are gone (or merged) before the attention; the best carry[k] of
  /// those that stayed are carried on, by the same ranking (HACK).
  kBeforeAttending,
  /// All candidates are attended to; the best carry[k] are carried on.
  kAfterAttending,
  /// The best attend[k] are attended to; then the best carry[k] of all candidates, whether attended to or
  /// not, are carried on (HACK++). Losers are those that are not carried on.
  kBothBudgets,
};

/// Which tokens of a head stay, spelled out slot by slot (design: the score, smooth, protect, losers, when slots).
struct RetentionRule {
  ScoreSlot score;
  SmoothSlot smooth;
  ProtectSlot protect;
  LoserSlot losers;
  RetentionTime when = RetentionTime::kBeforeAttending;
  bool operator==(const RetentionRule&) const = default;
};

[[nodiscard]] Json to_json(const RetentionRule& rule);
/// @throws Error  kBadInput naming `where`, the slot and the value that is unknown or out of range.
[[nodiscard]] RetentionRule retention_rule_from_json(const Json& json, std::string_view where);

/// "before-attending", "after-attending", "both-budgets".
[[nodiscard]] std::string_view retention_time_name(RetentionTime when) noexcept;

/// Names of the presets: "full", "window", "attention-topk", "hack-contextual", "hack-structural",
/// "hack++-contextual", "hack++-structural", "look-ahead".
[[nodiscard]] std::vector<std::string> retention_preset_names();
/// @throws Error  kUsage listing the presets if there is none of that name.
[[nodiscard]] RetentionRule retention_preset(std::string_view name);

}  // namespace kvscope
