#pragma once

#include "classifiers/plan/plan_methods.h"
#include "reports/command_line/options.h"

namespace kvscope {

/// Adds --refine and the options of a model and its samples, which nothing else in "plan" needs.
void add_refinement_options(options::options_description& visible);

/// Throws the usage error where such an option was given without --refine; --checkpoint and --tokenizer serve others.
void check_refinement_options(const options::variables_map& values);

/// The plan of method sensitivity, re-priced and made anew --refine times around the one found (refine_plan()); what
/// every round loses is said to `context.err`.
/// @throws Error  kUsage for another method; kEnvironment in a build without LibTorch.
[[nodiscard]] Plan refined_plan(const PlanRequest& request, PlanInputs inputs, const options::variables_map& values,
                                const CommandContext& context);

}  // namespace kvscope
