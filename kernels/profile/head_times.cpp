#include "kernels/profile/head_times.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

/// Between neighbours in proportion.
double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0.0;
  std::ranges::sort(values);
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace

double ProfileOverhead::share(double q) const {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(plain_seconds.size(), recorded_seconds.size()); ++i) {
    ratios.push_back(recorded_seconds[i] / plain_seconds[i] - 1.0);
  }
  return quantile(std::move(ratios), q);
}

double ProfileOverhead::predicted_share() const {
  double plain = 0.0;
  for (const double seconds : plain_seconds) plain += seconds;
  return plain > 0.0 ? static_cast<double>(ranges) * range_seconds / plain : 0.0;
}

std::int64_t attended_keys(const Plan* plan, const StepTable& steps, int step, int layer, int kv_head) {
  if (plan == nullptr) return steps.n_key(step);
  return plan->at(layer, kv_head).attend.at(static_cast<std::size_t>(step));
}

HeadTimes modelled_head_times(const ModelInfo& model, const StepTable& steps, const Plan* plan,
                              std::span<const PhaseTime> times) {
  HeadTimes result{.mode = HeadTimeMode::kModel, .seconds = Array<double>({steps.size(), model.layers, model.heads})};
  const int group = model.heads / model.kv_heads;
  for (const PhaseTime& time : times) {
    if (time.phase != Phase::kAttention || !time.step || !time.layer) continue;
    if (*time.step >= steps.size() || *time.layer >= model.layers) continue;
    double all_keys = 0.0;
    for (int head = 0; head < model.kv_heads; ++head) {
      all_keys += static_cast<double>(attended_keys(plan, steps, *time.step, *time.layer, head));
    }
    for (int head = 0; head < model.heads; ++head) {
      const auto keys = static_cast<double>(attended_keys(plan, steps, *time.step, *time.layer, head / group));
      result.seconds(*time.step, *time.layer, head) += time.wall_seconds * keys / (all_keys * group);
    }
    result.attention_seconds += time.wall_seconds;
  }
  for (const double seconds : result.seconds.values()) result.sum_seconds += seconds;
  return result;
}

}  // namespace kvscope
