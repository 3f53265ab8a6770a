#pragma once

#include "classifiers/plan/plan_methods.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kvscope {

// The steps that planning methods share.

/// Tokens of all heads together that a step may have.
struct TokenTotals {
  std::int64_t attend = 0;
  std::int64_t carry = 0;
};

/// floor(mean * n_head).
[[nodiscard]] std::int64_t total_tokens(double mean, std::size_t n_head);
[[nodiscard]] double mean_of(std::int64_t total, std::size_t n_head);

/// Every head of the model, without rules and counts.
[[nodiscard]] Plan blank_plan(const PlanRequest& request, const PlanInputs& inputs);

void give_rule(Plan& plan, HeadBudget& budget, const std::string& name, const RetentionRule& rule);

/// The calibrated weights of every head whose rule asks for them; a plan without such heads holds none.
/// @throws Error  kUsage if they are needed and not among the inputs.
void give_prior(Plan& plan, const PlanInputs& inputs);

/// How every head stores what it carries.
/// @throws Error  kUsage if that needs parameters of quantisation that are not among the inputs.
void give_elements(Plan& plan, StoredElements elements, const PlanInputs& inputs);

/// Carry budgets of every head at a step, given the room of every head; within that room.
using CarryBudgets = std::function<std::vector<std::int64_t>(int step, const std::vector<std::int64_t>& room)>;

/// Runs every head through the steps: attend[k] and carry[k] are the budgets clipped at what is there.
/// @param attend_budgets  [head], the same at every step; may be empty if every rule selects after attending
void fill_counts(Plan& plan, const std::vector<std::int64_t>& attend_budgets, const CarryBudgets& carry_budgets);

/// Budgets that are the same at every step.
void fill_constant_counts(Plan& plan, const std::vector<std::int64_t>& attend, const std::vector<std::int64_t>& carry);

/// Whole tokens for budgets that hold at every step, so that the last step's keys bound them.
[[nodiscard]] std::vector<std::int64_t> constant_budgets(const Plan& plan, const std::vector<double>& budgets,
                                                         std::int64_t total);

}  // namespace kvscope
