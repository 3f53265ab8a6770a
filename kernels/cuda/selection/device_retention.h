#pragma once

#include <cstdint>

namespace kvscope {
struct RetentionRule;
}

namespace kvscope::gpu {

/// The enumerators of retention_rule.h, which kernels do not include.
namespace rule {
enum Score : std::int32_t { kObservedAttention, kAccumulatedAttention, kCalibratedPrior, kLookAhead, kAge, kRandom };
enum Smoothing : std::int32_t { kNone, kAverage, kMaximum };
enum Protected : std::int32_t { kFirstSteps, kCurrentStep, kRecentTokens };
enum Losers : std::int32_t { kDrop, kMerge };
enum Time : std::int32_t { kBeforeAttending, kAfterAttending, kBothBudgets };
}  // namespace rule

/// The slots of a RetentionRule as kernels read them: numbers of enumerators and plain counts. An array [kv_heads] in
/// device memory, since the rules of a layer's heads differ.
struct DeviceRule {
  std::uint64_t seed = 0;             ///< of kRandom
  std::int32_t score = 0;             ///< rule::Score
  std::int32_t times_value_norm = 0;  ///< 0 or 1
  std::int32_t smoothing = 0;         ///< rule::Smoothing
  std::int32_t width = 1;             ///< of the smoothing; odd
  std::int32_t first_steps = 0;
  std::int32_t current_step = 0;  ///< 0 or 1
  std::int32_t recent_tokens = 0;
  std::int32_t gives_way_count = 0;
  std::int32_t gives_way[3] = {};  ///< rule::Protected
  std::int32_t losers = 0;         ///< rule::Losers
  std::int32_t last_step_only = 0;
  std::int32_t when = 0;  ///< rule::Time
};

[[nodiscard]] DeviceRule device_rule(const RetentionRule& host);

}  // namespace kvscope::gpu
