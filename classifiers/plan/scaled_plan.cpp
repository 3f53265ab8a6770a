#include "classifiers/plan/scaled_plan.h"

#include "classifiers/plan/allocation.h"
#include "collectors/base/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

void check_steps_correspond(const Plan& plan, const StepTable& steps, std::string_view where) {
  const auto refuse = [&](std::string_view why) {
    throw bad_input("{}: the plan was made for the steps {}, but the model runs {}; {}", where, describe(plan.steps),
                    describe(steps), why);
  };
  if (plan.steps.size() != steps.size()) refuse(fmt::format("{} steps are not {}", plan.steps.size(), steps.size()));
  for (int k = 0; k < steps.size(); ++k) {
    const StepShape& made_for = plan.steps[k];
    const StepShape& runs = steps[k];
    if (made_for.kind != runs.kind || made_for.t != runs.t || made_for.stays != runs.stays ||
        plan.steps.sources(k) != steps.sources(k)) {
      refuse(fmt::format("step {} is of another kind or sees other steps", k));
    }
  }
}

/// How much more tokens there are; 1 where there were none.
double stretch(std::int64_t before, std::int64_t now) {
  return before == 0 ? 1.0 : static_cast<double>(now) / static_cast<double>(before);
}

/// Counts of all heads at one step, and the most there could be.
struct Counts {
  std::vector<std::int64_t> before;  ///< in the plan
  std::vector<std::int64_t> most_before;
  std::vector<std::int64_t> most;  ///< at the other steps
};

/// The counts at the other steps: all of the room where there was nothing left before, else the same share of the
/// tokens.
std::vector<std::int64_t> scaled(const Counts& counts, double factor) {
  std::vector<double> budgets;
  std::vector<std::int64_t> room;
  for (std::size_t i = 0; i < counts.before.size(); ++i) {
    // A head that had none gets none; one that had any keeps at least one token.
    room.push_back(counts.before[i] == 0 ? 0 : counts.most[i]);
    const auto most = static_cast<double>(room.back());
    const bool has_all = counts.before[i] == counts.most_before[i];
    const double share = std::max(1.0, static_cast<double>(counts.before[i]) * factor);
    budgets.push_back(has_all ? most : std::min(most, share));
  }
  // The slack absorbs what the sum of whole numbers and shares loses in floating point.
  const double total = std::accumulate(budgets.begin(), budgets.end(), 1e-6);
  return round_budgets(budgets, room, static_cast<std::int64_t>(std::floor(total)));
}

}  // namespace

Plan scaled_plan(const Plan& plan, const StepTable& steps, std::string_view where) {
  check_steps_correspond(plan, steps, where);
  Plan result = plan;
  result.steps = steps;
  for (HeadBudget& budget : result.heads) {
    budget.attend.clear();
    budget.carry.clear();
  }
  const TokenFlow flow_before = token_flow(plan);
  const TokenFlow flow = token_flow(result);
  const std::size_t n_head = plan.heads.size();
  std::vector<std::int64_t> carried_before(n_head, 0);
  std::vector<std::int64_t> carried(n_head, 0);
  for (int k = 0; k < flow.size(); ++k) {
    Counts attend;
    for (std::size_t i = 0; i < n_head; ++i) {
      attend.before.push_back(plan.heads[i].attend[index(k)]);
      attend.most_before.push_back(flow_before.available(k, carried_before[i]));
      attend.most.push_back(flow.available(k, carried[i]));
    }
    const std::vector<std::int64_t> attended = scaled(attend, stretch(flow_before.visible(k), flow.visible(k)));
    Counts carry;
    for (std::size_t i = 0; i < n_head; ++i) {
      const RetentionTime when = plan.rule_of(plan.heads[i]).when;
      carry.before.push_back(plan.heads[i].carry[index(k)]);
      carry.most_before.push_back(flow_before.carry_limit(k, carried_before[i], attend.before[i], when));
      carry.most.push_back(flow.carry_limit(k, carried[i], attended[i], when));
    }
    carried = scaled(carry, stretch(flow_before.holdable(k), flow.holdable(k)));
    carried_before = carry.before;
    for (std::size_t i = 0; i < n_head; ++i) {
      result.heads[i].attend.push_back(attended[i]);
      result.heads[i].carry.push_back(carried[i]);
    }
  }
  result.parameters["scaled_from"] = describe(plan.steps);
  result.notes.push_back(
      fmt::format("made for the steps {} and scaled to {} by shares of visible tokens: not proven there",
                  describe(plan.steps), describe(steps)));
  check_plan(result, where);
  return result;
}

}  // namespace kvscope
