#pragma once

#include "classifiers/plan/plan.h"
#include "classifiers/plan/plan_request.h"
#include "kernels/sensitivity/pricing.h"

#include <vector>

namespace kvscope {

/// A plan by prices, and what came of re-pricing heads in the company of the others.
struct RefinedPlan {
  Plan plan;                    ///< the best of all rounds
  int round = 0;                ///< that it is of; 0: the plan by the first prices
  std::vector<double> kl;       ///< [round] measured on the request's samples, teacher-forced, nats per token
  std::vector<double> weighed;  ///< [round] the same, weighed as in weighed_by_later_tokens(): what "best" means
};

/// Makes a plan of method sensitivity, then `rounds` times: prices every head in the company of the plan found
/// (PricingRequest::company) and makes the plan anew by these prices. Prices of lone heads add up only as far as errors
/// of different heads have nothing to do with each other. Every round's plan is measured, so that the result is never
/// worse on these samples than the plan by the first prices.
/// Cost: per round that of price_heads(), and a full and a compressed generation of every sample.
/// @param request  rules and counts are those of the sensitivity among the inputs, its samples may be others
/// @throws Error   as make_plan() and price_heads(); kUsage where heads' elements are chosen by price.
[[nodiscard]] RefinedPlan refine_plan(const Engine& engine, PricingRequest request, const PlanRequest& plan_request,
                                      int rounds);

}  // namespace kvscope
