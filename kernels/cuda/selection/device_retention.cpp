#include "kernels/cuda/selection/device_retention.h"

#include "classifiers/plan/retention_rule.h"
#include "collectors/base/error.h"

#include <algorithm>
#include <limits>

namespace kvscope::gpu {
namespace {

template <typename Enum>
constexpr std::int32_t number(Enum value) {
  return static_cast<std::int32_t>(value);
}

static_assert(number(TokenScore::kObservedAttention) == rule::kObservedAttention &&
              number(TokenScore::kAccumulatedAttention) == rule::kAccumulatedAttention &&
              number(TokenScore::kCalibratedPrior) == rule::kCalibratedPrior &&
              number(TokenScore::kLookAhead) == rule::kLookAhead && number(TokenScore::kAge) == rule::kAge &&
              number(TokenScore::kRandom) == rule::kRandom);
static_assert(number(Smoothing::kNone) == rule::kNone && number(Smoothing::kAverage) == rule::kAverage &&
              number(Smoothing::kMaximum) == rule::kMaximum);
static_assert(number(ProtectedSet::kFirstSteps) == rule::kFirstSteps &&
              number(ProtectedSet::kCurrentStep) == rule::kCurrentStep &&
              number(ProtectedSet::kRecentTokens) == rule::kRecentTokens);
static_assert(number(Losers::kDrop) == rule::kDrop && number(Losers::kMerge) == rule::kMerge);
static_assert(number(RetentionTime::kBeforeAttending) == rule::kBeforeAttending &&
              number(RetentionTime::kAfterAttending) == rule::kAfterAttending &&
              number(RetentionTime::kBothBudgets) == rule::kBothBudgets);

}  // namespace

DeviceRule device_rule(const RetentionRule& host) {
  DeviceRule device;
  require(host.protect.gives_way.size() <= std::size(device.gives_way), "device_rule: a set gives way twice");
  device.seed = host.score.seed;
  device.score = number(host.score.kind);
  device.times_value_norm = host.score.times_value_norm ? 1 : 0;
  device.smoothing = number(host.smooth.kind);
  device.width = host.smooth.width;
  device.first_steps = host.protect.first_steps;
  device.current_step = host.protect.current_step ? 1 : 0;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  device.recent_tokens = static_cast<std::int32_t>(std::clamp<std::int64_t>(host.protect.recent_tokens, 0, kMost));
  device.gives_way_count = static_cast<std::int32_t>(host.protect.gives_way.size());
  std::ranges::transform(host.protect.gives_way, device.gives_way, number<ProtectedSet>);
  device.losers = number(host.losers.kind);
  device.last_step_only = host.losers.last_step_only ? 1 : 0;
  device.when = number(host.when);
  return device;
}

}  // namespace kvscope::gpu
