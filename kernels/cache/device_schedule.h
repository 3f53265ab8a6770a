#pragma once

#include "classifiers/plan/plan.h"
#include "kernels/cache/head_candidates.h"
#include "kernels/cuda/selection/device_retention.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvscope {

/// What the kernels have to do for a layer at one step. Follows from the plan alone: counts are exact, so host code
/// knows every length without asking the device.
struct LayerStepSchedule {
  bool lists_candidates = false;  ///< the step may not see all that is held
  bool selects = false;           ///< some head may not attend to, or not carry on, all its candidates
  bool observes = false;          ///< some head's scores come from attention
  bool weighs_values = false;     ///< some head's scores are multiplied with ||V||
  bool merges_attended = false;   ///< losers join attended tokens
  bool merges_carried = false;    ///< losers join carried tokens
  int most_held = 0;              ///< tokens that no head has more of before the step
  int most_attended = 0;
  int most_kept = 0;  ///< after the step
  int most_observers = 0;
};

/// The plan as arrays that kernels read; T is the number of tokens of a generation, K of steps.
class DeviceSchedule {
 public:
  DeviceSchedule(const Plan& plan, const TokenLifetimes& lifetimes);

  [[nodiscard]] const LayerStepSchedule& at(int layer, int step) const {
    return steps_.at(static_cast<std::size_t>(layer * n_step_ + step));
  }
  /// Whether a head of the layer scores by the attention that tokens collect over steps.
  [[nodiscard]] bool collects(int layer) const { return collects_.at(static_cast<std::size_t>(layer)) != 0; }
  /// Tokens that a head holds before `step`; step K: at the end.
  [[nodiscard]] static std::int64_t held_before(const HeadBudget& budget, int step) {
    return step == 0 ? 0 : budget.carry[static_cast<std::size_t>(step - 1)];
  }

  std::vector<gpu::DeviceRule> rules;   ///< [layer, kv_head]
  std::vector<std::int32_t> attend;     ///< [layer, step, kv_head]
  std::vector<std::int32_t> carry;      ///< [layer, step, kv_head]
  std::vector<std::int32_t> observers;  ///< [layer, step, kv_head]
  std::vector<float> prior;             ///< [layer, step, kv_head, source step]; empty if no rule asks for it
  std::vector<std::int32_t> step_of;    ///< [T]
  std::vector<std::uint8_t> seen;       ///< [step, source step]
  std::vector<std::uint8_t> outlives;   ///< [step, source step]: held after `step`

 private:
  void add_head(const Plan& plan, const HeadBudget& budget, const std::vector<bool>& uniform);

  int n_step_;
  std::vector<LayerStepSchedule> steps_;  ///< [layer, step]
  std::vector<std::uint8_t> collects_;    ///< [layer]
};

}  // namespace kvscope
