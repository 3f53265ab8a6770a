#pragma once

#include "classifiers/plan/plan.h"

#include <string_view>

namespace kvscope {

/// The plan for other steps, such as those of another aspect ratio or image size: at every step each head attends to
/// the same share of the visible tokens and carries the same share of those that a full cache holds (the fractions of
/// plan.json), and all of what there is where it did so before; rules, calibrated weights and stored elements stay.
/// Whole tokens are made by round_budgets(), so that the heads of a step together have the share they had together.
///
/// Nothing says that a plan is as good at the other steps: its `notes` say so, and `parameters` name the steps that it
/// was made for as `scaled_from`.
/// @param where  the plan's file, for messages
/// @throws Error  kBadInput if steps do not correspond: they differ in number, or in kind, extent in time, or whether
///                they stay or are seen.
[[nodiscard]] Plan scaled_plan(const Plan& plan, const StepTable& steps, std::string_view where);

}  // namespace kvscope
