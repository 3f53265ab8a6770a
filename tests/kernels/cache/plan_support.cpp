#include "kernels/cache/plan_support.h"

#include <algorithm>

namespace kvscope::testing {

Plan small_plan(const SmallModel& model, const StepTable& steps, const RetentionRule& rule, std::int64_t attend,
                std::int64_t carry, bool keeps_last_step) {
  Plan plan;
  plan.method = "test";
  plan.model.family = "test";
  plan.model.fingerprint.assign(64, '0');
  plan.model.layers = model.layers;
  plan.model.heads = model.heads;
  plan.model.kv_heads = model.kv_heads;
  plan.model.head_dim = model.head_dim;
  plan.model.branches = {"conditional"};
  plan.steps = steps;
  plan.keeps_last_step = keeps_last_step;
  plan.rules["rule"] = rule;
  const TokenFlow flow = token_flow(plan);
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int head = 0; head < model.kv_heads; ++head) {
      HeadBudget budget{.layer = layer, .head = head, .head_class = {}, .rule = "rule", .attend = {}, .carry = {}};
      std::int64_t held = 0;
      for (int k = 0; k < steps.size(); ++k) {
        const std::int64_t available = flow.available(k, held);
        const bool attends_to_all = rule.when == RetentionTime::kAfterAttending;
        budget.attend.push_back(attends_to_all ? available : std::min(available, attend + head));
        held = std::min(carry + head, flow.carry_limit(k, held, budget.attend.back(), rule.when));
        budget.carry.push_back(held);
      }
      plan.heads.push_back(budget);
    }
  }
  if (needs_prior(rule.score.kind)) {
    plan.prior = Array<float>({model.layers, model.kv_heads, steps.size(), steps.size()});
    // Any positive weights will do that differ from step to step.
    for (std::size_t i = 0; i < plan.prior.values().size(); ++i) {
      plan.prior.values()[i] = static_cast<float>(i * 7919 % 101 + 1) / 101.0F;
    }
  }
  return plan;
}

void quantise_heads(Plan& plan, int first_head) {
  const auto channels = [&](const HeadBudget& budget, int side) {
    ChannelQuantisation result;
    for (int d = 0; d < plan.model.head_dim; ++d) {
      const int number = 7 * d + 3 * budget.head + 5 * budget.layer + side;
      // Steps of 0.03 reach to 3.8: of normal values some saturate.
      result.scale.push_back(0.02F + 0.0007F * static_cast<float>(number % 17));
      result.offset.push_back(0.1F * static_cast<float>(number % 5 - 2));
    }
    return result;
  };
  for (HeadBudget& budget : plan.heads) {
    if (budget.head < first_head) continue;
    budget.quantisation.emplace();
    budget.quantisation->key = channels(budget, 0);
    budget.quantisation->value = channels(budget, 1);
  }
}

}  // namespace kvscope::testing
