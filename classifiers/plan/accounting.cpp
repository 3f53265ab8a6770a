#include "classifiers/plan/accounting.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

double share(std::int64_t tokens, std::int64_t heads, std::int64_t of) {
  return static_cast<double>(tokens) / (static_cast<double>(heads) * static_cast<double>(of));
}

/// Not-a-number has no spelling in JSON.
Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

/// "3.2 times smaller"; null where nothing is held.
Json times_smaller(std::int64_t reference_bytes, std::int64_t bytes) {
  return bytes == 0 ? Json() : Json(static_cast<double>(reference_bytes) / static_cast<double>(bytes));
}

void add_baselines(const Plan& plan, PlanTotals& totals) {
  const TokenFlow everything(plan.steps, true);
  const TokenFlow lossless(plan.steps, false);
  const int last = plan.steps.size() - 1;
  std::int64_t held = 0;
  for (int k = 0; k <= last; ++k) held = std::max(held, lossless.holdable(k));
  const ElementBytes elements = element_bytes(plan.model);
  totals.published_bytes = cache_bytes(plan.model, everything.holdable(last), totals.rows, kPublishedElements);
  totals.full_bytes = cache_bytes(plan.model, everything.holdable(last), totals.rows, elements);
  totals.lossless_bytes = cache_bytes(plan.model, held, totals.rows, elements);
}

}  // namespace

ElementBytes element_bytes(const ModelInfo& model) {
  return {element_bytes(model.key_type), element_bytes(model.value_type)};
}

std::int64_t rows_per_sample(const ModelInfo& model) {
  return static_cast<std::int64_t>(model.branches.size());
}

std::int64_t token_bytes(const ModelInfo& model, ElementBytes elements) {
  return model.head_dim * (elements.key + elements.value);
}

std::int64_t token_bytes(const ModelInfo& model, const HeadBudget& budget) {
  constexpr ElementBytes kCodes{1, 1};
  return token_bytes(model, budget.quantisation ? kCodes : element_bytes(model));
}

std::int64_t parameter_bytes(const ModelInfo& model, const HeadBudget& budget) {
  constexpr std::int64_t kOfChannel = 2 * 2 * std::int64_t{sizeof(float)};  // scale and offset, of K and of V
  return budget.quantisation ? kOfChannel * model.head_dim : 0;
}

std::int64_t cache_bytes(const ModelInfo& model, std::int64_t tokens, std::int64_t rows, ElementBytes elements) {
  return tokens * model.layers * model.kv_heads * rows * token_bytes(model, elements);
}

BudgetFlow budget_flow(const StepTable& steps, double attend_budget, double carry_budget) {
  BudgetFlow flow;
  double carried = 0.0;
  for (int k = 0; k < steps.size(); ++k) {
    const double available = carried + static_cast<double>(steps.n_query(k));
    flow.keys.push_back(std::min(available, attend_budget));
    carried = std::min(available, carry_budget);
    flow.carried.push_back(carried);
  }
  return flow;
}

double attention_pairs(const StepTable& steps, std::span<const double> keys) {
  require(keys.size() == index(steps.size()), "attention_pairs: one number of keys per step is needed");
  double pairs = 0.0;
  for (int k = 0; k < steps.size(); ++k) pairs += static_cast<double>(steps.n_query(k)) * keys[index(k)];
  return pairs;
}

double attention_flops(const ModelInfo& model, double pairs, std::int64_t rows) {
  return 4.0 * static_cast<double>(model.head_dim) * static_cast<double>(rows) * pairs;
}

std::int64_t PlanTotals::allocated_bytes_of(std::int64_t samples) const {
  return (allocated_bytes - parameter_bytes) * samples + parameter_bytes;
}

double PlanTotals::attended_share() const {
  return share(attended.back(), heads, key_tokens);
}

double PlanTotals::carried_share_of_all() const {
  return earlier_tokens == 0 ? std::nan("") : share(std::ranges::max(carried), heads, key_tokens);
}

double PlanTotals::carried_share_of_earlier() const {
  return earlier_tokens == 0 ? std::nan("") : share(std::ranges::max(carried), heads, earlier_tokens);
}

PlanTotals plan_totals(const Plan& plan) {
  const int n_step = plan.steps.size();
  PlanTotals totals;
  totals.rows = rows_per_sample(plan.model);
  totals.heads = static_cast<std::int64_t>(plan.heads.size());
  totals.key_tokens = plan.steps.n_key(n_step - 1);
  totals.earlier_tokens = totals.key_tokens - plan.steps.n_query(n_step - 1);
  totals.attended.assign(index(n_step), 0);
  totals.carried.assign(index(n_step), 0);
  totals.bytes_after.assign(index(n_step), 0);
  for (const HeadBudget& budget : plan.heads) {
    const std::int64_t slot_bytes = totals.rows * token_bytes(plan.model, budget);
    for (int k = 0; k < n_step; ++k) {
      totals.attended[index(k)] += budget.attend[index(k)];
      totals.carried[index(k)] += budget.carry[index(k)];
      totals.bytes_after[index(k)] += budget.carry[index(k)] * slot_bytes;
    }
    totals.parameter_bytes += parameter_bytes(plan.model, budget);
    totals.allocated_bytes += cache_capacity(budget) * slot_bytes;
  }
  totals.peak_bytes = std::ranges::max(totals.bytes_after);
  if (n_step > 1) {
    const auto sum = std::accumulate(totals.bytes_after.begin(), totals.bytes_after.end() - 1, std::int64_t{0});
    totals.average_bytes = static_cast<double>(sum) / (n_step - 1);
  }
  totals.allocated_bytes += totals.parameter_bytes;
  add_baselines(plan, totals);

  // Query heads that share a key/value head each form their own pairs.
  const double sharing = static_cast<double>(plan.model.heads) / static_cast<double>(plan.model.kv_heads);
  double full_pairs = 0.0;
  double pairs = 0.0;
  for (int k = 0; k < n_step; ++k) {
    const auto queries = static_cast<double>(plan.steps.n_query(k));
    full_pairs += queries * static_cast<double>(plan.steps.n_key(k)) * static_cast<double>(totals.heads);
    pairs += queries * static_cast<double>(totals.attended[index(k)]);
  }
  totals.full_flops = attention_flops(plan.model, full_pairs * sharing, totals.rows);
  totals.compressed_flops = attention_flops(plan.model, pairs * sharing, totals.rows);
  return totals;
}

double limited_bytes(const PlanTotals& totals, BudgetLimit limit) {
  if (limit == BudgetLimit::kAllocated) return static_cast<double>(totals.allocated_bytes);
  const double held = limit == BudgetLimit::kPeak ? static_cast<double>(totals.peak_bytes) : totals.average_bytes;
  return held + static_cast<double>(totals.parameter_bytes);
}

Json to_json(const PlanTotals& totals, ElementBytes elements) {
  const Json tokens{{"heads", totals.heads},
                    {"keys_of_last_step", totals.key_tokens},
                    {"carried_into_last_step", totals.earlier_tokens},
                    {"attended", totals.attended},
                    {"carried", totals.carried}};
  Json bytes{{"after_step", totals.bytes_after},    {"peak", totals.peak_bytes},
             {"average", totals.average_bytes},     {"allocated", totals.allocated_bytes},
             {"published", totals.published_bytes}, {"full", totals.full_bytes},
             {"lossless", totals.lossless_bytes}};
  if (totals.parameter_bytes > 0) bytes["parameters"] = totals.parameter_bytes;
  const Json shares{{"attended_of_all", number_or_null(totals.attended_share())},
                    {"carried_of_all", number_or_null(totals.carried_share_of_all())},
                    {"carried_of_earlier", number_or_null(totals.carried_share_of_earlier())}};
  const Json smaller{{"than_published", times_smaller(totals.published_bytes, totals.allocated_bytes)},
                     {"than_full", times_smaller(totals.full_bytes, totals.allocated_bytes)},
                     {"than_lossless", times_smaller(totals.lossless_bytes, totals.allocated_bytes)}};
  return {{"rows_per_sample", totals.rows},
          {"element_bytes", {{"key", elements.key}, {"value", elements.value}}},
          {"tokens", tokens},
          {"bytes", bytes},
          {"shares", shares},
          {"times_smaller", smaller},
          {"attention_flops",
           {{"full", totals.full_flops},
            {"compressed", totals.compressed_flops},
            {"share", totals.compressed_flops / totals.full_flops}}}};
}

}  // namespace kvscope
