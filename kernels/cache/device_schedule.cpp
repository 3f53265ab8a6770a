#include "kernels/cache/device_schedule.h"

#include <algorithm>
#include <iterator>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

int count(std::int64_t tokens) {
  return static_cast<int>(tokens);  // tokens of a generation; far below 2^31
}

/// Whether `step` sees all tokens that may be held before it.
bool sees_all(const StepTable& steps, const TokenLifetimes& lifetimes, int step) {
  for (int source = 0; source < step; ++source) {
    if (lifetimes.outlives(source, step - 1) && !steps.sees(step, source)) return false;
  }
  return true;
}

/// Whether of the candidates of `step` all stay needed, or none.
bool outlive_alike(const StepTable& steps, const TokenLifetimes& lifetimes, int step) {
  const bool own = lifetimes.outlives(step, step);
  for (const int source : steps.sources(step)) {
    if (lifetimes.outlives(source, step) != own) return false;
  }
  return true;
}

bool collects_attention(const Plan& plan, const TokenFlow& flow, const HeadBudget& budget, int step) {
  if (plan.rule_of(budget).score.kind != TokenScore::kAccumulatedAttention) return false;
  for (int later = step; later < plan.steps.size(); ++later) {
    if (budget.attend[index(later)] < flow.visible(later) || budget.carry[index(later)] < flow.holdable(later))
      return true;
  }
  return false;
}

std::int32_t observer_count(const ScoreSlot& score, std::int64_t n_query) {
  const bool all = !samples_queries(score.kind) || score.observation_queries == 0;
  return static_cast<std::int32_t>(all ? n_query : std::min<std::int64_t>(n_query, score.observation_queries));
}

}  // namespace

DeviceSchedule::DeviceSchedule(const Plan& plan, const TokenLifetimes& lifetimes) : n_step_(plan.steps.size()) {
  const StepTable& steps = plan.steps;
  const auto layers = index(plan.model.layers);
  steps_.resize(layers * index(n_step_));
  collects_.resize(layers, 0);
  const std::size_t counts = layers * index(n_step_) * index(plan.model.kv_heads);
  attend.resize(counts);
  carry.resize(counts);
  observers.resize(counts);
  std::vector<bool> uniform;  // all tokens held are seen, and all candidates stay needed or none
  for (int step = 0; step < n_step_; ++step) {
    const bool all_seen = sees_all(steps, lifetimes, step);
    uniform.push_back(all_seen && outlive_alike(steps, lifetimes, step));
    for (std::size_t layer = 0; layer < layers; ++layer) {
      steps_[layer * index(n_step_) + index(step)].lists_candidates = !all_seen;
    }
    step_of.insert(step_of.end(), index(steps.n_query(step)), step);
    for (int source = 0; source < n_step_; ++source) {
      seen.push_back(source <= step && steps.sees(step, source) ? 1 : 0);
      outlives.push_back(source <= step && lifetimes.outlives(source, step) ? 1 : 0);
    }
  }
  for (const HeadBudget& budget : plan.heads) add_head(plan, budget, uniform);
  if (plan.prior.values().empty()) return;
  for (int layer = 0; layer < plan.model.layers; ++layer) {
    for (int step = 0; step < n_step_; ++step) {
      for (int head = 0; head < plan.model.kv_heads; ++head) {
        std::ranges::copy(plan.prior.slice(layer, head, step), std::back_inserter(prior));
      }
    }
  }
}

void DeviceSchedule::add_head(const Plan& plan, const HeadBudget& budget, const std::vector<bool>& uniform) {
  const RetentionRule& rule = plan.rule_of(budget);
  const TokenFlow flow = token_flow(plan);
  rules.push_back(gpu::device_rule(rule));
  const bool has_attention = needs_attention(rule.score.kind);
  if (rule.score.kind == TokenScore::kAccumulatedAttention) collects_[index(budget.layer)] = 1;
  for (int step = 0; step < n_step_; ++step) {
    LayerStepSchedule& schedule = steps_[index(budget.layer * n_step_ + step)];
    const std::int64_t held = held_before(budget, step);
    const std::int64_t candidates = held + plan.steps.n_query(step);
    const std::int64_t may_attend = budget.attend[index(step)];
    const std::int64_t may_carry = budget.carry[index(step)];
    const bool attends_to_all = rule.when == RetentionTime::kAfterAttending;
    const std::int64_t attended = attends_to_all ? candidates : std::min(candidates, may_attend);
    // What follows for sure only where the number of candidates, and of those that stay needed, is known here.
    const std::int64_t needed = uniform[index(step)] && outlives[index(step * n_step_ + step)] == 0 ? 0 : candidates;
    const bool ranks = !uniform[index(step)] || attended < candidates || may_carry < needed;
    const bool observes = has_attention && (ranks || collects_attention(plan, flow, budget, step));
    const bool merges =
        ranks && rule.losers.kind == Losers::kMerge && (!rule.losers.last_step_only || step == n_step_ - 1);

    const std::size_t place = index((std::int64_t{budget.layer} * n_step_ + step) * plan.model.kv_heads + budget.head);
    attend[place] = count(may_attend);
    carry[place] = count(may_carry);
    observers[place] = observes ? observer_count(rule.score, plan.steps.n_query(step)) : 0;

    schedule.selects |= ranks || observes;
    schedule.observes |= observes;
    schedule.weighs_values |= ranks && rule.score.times_value_norm;
    schedule.merges_attended |= merges && rule.when == RetentionTime::kBeforeAttending;
    schedule.merges_carried |= merges && may_carry > 0;
    schedule.most_held = std::max(schedule.most_held, count(held));
    schedule.most_attended = std::max(schedule.most_attended, count(attended));
    schedule.most_kept = std::max(schedule.most_kept, count(may_carry));
    schedule.most_observers = std::max(schedule.most_observers, observers[place]);
  }
}

}  // namespace kvscope
