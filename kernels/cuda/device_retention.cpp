#include "kernels/cuda/device_retention.h"

#include "classifiers/plan/retention_rule.h"
#include "collectors/base/error.h"

#include <algorithm>
#include <limits>

namespace kvscope::gpu {
namespace {

template <typename Enum>
std::int32_t number(Enum value) {
  return static_cast<std::int32_t>(value);
}

}  // namespace

DeviceRule device_rule(const RetentionRule& rule) {
  DeviceRule device;
  require(rule.protect.gives_way.size() <= std::size(device.gives_way), "device_rule: a set gives way twice");
  device.seed = rule.score.seed;
  device.score = number(rule.score.kind);
  device.times_value_norm = rule.score.times_value_norm ? 1 : 0;
  device.smoothing = number(rule.smooth.kind);
  device.width = rule.smooth.width;
  device.first_steps = rule.protect.first_steps;
  device.current_step = rule.protect.current_step ? 1 : 0;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  device.recent_tokens = static_cast<std::int32_t>(std::clamp<std::int64_t>(rule.protect.recent_tokens, 0, kMost));
  device.gives_way_count = static_cast<std::int32_t>(rule.protect.gives_way.size());
  std::ranges::transform(rule.protect.gives_way, device.gives_way, number<ProtectedSet>);
  device.losers = number(rule.losers.kind);
  device.last_step_only = rule.losers.last_step_only ? 1 : 0;
  device.when = number(rule.when);
  return device;
}

}  // namespace kvscope::gpu
