#pragma once

#include "classifiers/heads/heads.h"
#include "classifiers/plan/attention_calibration.h"
#include "classifiers/plan/plan.h"
#include "classifiers/plan/plan_request.h"
#include "classifiers/plan/sensitivity.h"

#include <optional>
#include <vector>

namespace kvscope {

/// What a plan is made from.
struct PlanInputs {
  ModelInfo model;
  StepTable steps;
  std::optional<HeadClassification> heads;          ///< needed by hack and hack++
  std::optional<AttentionCalibration> calibration;  ///< needed by hack++ and by rules that needs_prior()
  Json made_from;                                   ///< goes into the plan as it is
  std::optional<Sensitivity> sensitivity{};         ///< needed by method sensitivity
  std::vector<HeadQuantisation> quantisation{};     ///< of every key/value head; needed where elements are int8
};

/// The class of a key/value head: structural if one of the query heads that share it is, since that one needs
/// the larger budget.
/// @param heads  of the geometry of `model`
[[nodiscard]] HeadClass shared_head_class(const HeadClassification& heads, const ModelInfo& model, int layer,
                                          int kv_head);

/// Makes the plan that a request asks for:
///
/// - full: everything, as published, the last step stays in the cache;
/// - lossless: everything that a later step reads;
/// - uniform: the same budgets and one rule for every head;
/// - hack (arXiv 2504.09261): two budgets by class, the same at every step, compress before attending;
/// - hack++ (arXiv 2606.08302): an attend budget for all and carry budgets
///       B_c^(p,l,k) = B_c gbar_l^(p,k)^tau / [ (1/LH) sum_{l,p} |H_p^l| gbar_l^(p,k)^tau ],
///   where gbar_l^(p,k) is the mean of gamma^(k) over the heads of class p in layer l;
/// - sensitivity: carry budgets, rules and, where both kinds were priced, stored elements by what they cost
///   (sensitivity_plan(), element_plan()).
///
/// Classes are those of shared_head_class(). Every method with every kind of StoredElements; a budget in bytes counts
/// elements as they are stored, and the parameters of their quantisation.
/// @throws Error  kUsage if the request is impossible or an input is missing; kBadInput if the heads are
///                not those of the model.
[[nodiscard]] Plan make_plan(const PlanRequest& request, const PlanInputs& inputs);

}  // namespace kvscope
