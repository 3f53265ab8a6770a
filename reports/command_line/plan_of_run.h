#pragma once

#include "classifiers/plan/plan.h"

#include <filesystem>
#include <ostream>

namespace kvscope {

/// A plan read from `path`, for a run of a model with these steps. Where it was made for others that correspond, its
/// budgets are scaled to them (scaled_plan()), and one line to `notes` says that this was not proven.
/// @throws Error  kBadInput if the plan is of another model or its steps do not correspond.
[[nodiscard]] Plan plan_of_run(Plan plan, const std::filesystem::path& path, const ModelInfo& model,
                               const StepTable& steps, std::ostream& notes);

}  // namespace kvscope
