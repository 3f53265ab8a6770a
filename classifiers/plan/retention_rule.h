#pragma once

#include "collectors/base/json_file.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// How a head's tokens are ranked; higher scores stay.
enum class TokenScore {
  kObservedAttention,     ///< attention of this step's observation queries (SnapKV, HACK)
  kAccumulatedAttention,  ///< attention summed over all queries of all steps so far (H2O)
  kCalibratedPrior,       ///< one calibrated weight per source step (HACK++'s phi), from the plan
  kAge,                   ///< newer tokens score higher (StreamingLLM)
  kRandom,                ///< counter-based noise
};

struct ScoreSlot {
  TokenScore kind = TokenScore::kObservedAttention;
  int observation_queries = 32;    ///< uniformly spaced; 0: all queries of the step
  bool times_value_norm = false;   ///< multiply by ||V_j||_2
  std::uint64_t seed = 0;          ///< of kRandom
  bool operator==(const ScoreSlot&) const = default;
};

enum class Smoothing { kNone, kAverage, kMaximum };

/// Pools scores over neighbouring tokens (1-D over token order, stride 1, edges padded with nothing).
struct SmoothSlot {
  Smoothing kind = Smoothing::kNone;
  int width = 5;  ///< odd, in tokens
  bool operator==(const SmoothSlot&) const = default;
};

/// A set of tokens that stays before any score is asked.
enum class ProtectedSet { kFirstSteps, kCurrentStep, kRecentTokens };

struct ProtectSlot {
  int first_steps = 0;              ///< all tokens of the first so many steps
  bool current_step = false;        ///< all tokens of the step being processed
  std::int64_t recent_tokens = 0;   ///< the last so many tokens
  /// If the protected tokens do not fit the budget: sets give way in this order, their oldest tokens first.
  std::vector<ProtectedSet> gives_way = {ProtectedSet::kFirstSteps, ProtectedSet::kCurrentStep, ProtectedSet::kRecentTokens};
  bool operator==(const ProtectSlot&) const = default;
};

enum class Losers {
  kDrop,
  kMerge,  ///< K and V averaged into the kept token of largest cosine similarity of keys (LOOK-M)
};

struct LoserSlot {
  Losers kind = Losers::kDrop;
  bool last_step_only = false;  ///< merge at the last step, drop before it (HACK)
  bool operator==(const LoserSlot&) const = default;
};

/// When tokens are selected, relative to the attention of the step.
enum class RetentionTime {
  kBeforeAttending,  ///< what is kept is attended to and carried on (HACK)
  kAfterAttending,   ///< everything is attended to, what is kept is carried on
  kBothBudgets,      ///< the attend budget's best are attended to, then the carry budget's best of all are kept (HACK++)
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

/// Names of the presets: "full", "window", "attention-topk", "hack-contextual", "hack-structural",
/// "hack++-contextual", "hack++-structural".
[[nodiscard]] std::vector<std::string> retention_preset_names();
/// @throws Error  kUsage listing the presets if there is none of that name.
[[nodiscard]] RetentionRule retention_preset(std::string_view name);

}  // namespace kvscope
