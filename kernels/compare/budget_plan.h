#pragma once

#include "classifiers/plan/plan_methods.h"
#include "kernels/compare/compare_method.h"

#include <cstdint>
#include <string>

namespace kvscope {

/// The parameters of a method that a search may have to choose.
struct MethodParameters {
  std::optional<double> alpha;
  std::optional<double> tau;
  bool operator==(const MethodParameters&) const = default;
};

/// The plan of a method that allocates most without exceeding `bytes` per sample, at the element types of inputs.model
/// or as the method says (CompareMethod::elements).
///
/// HACK, which attends to no more than it carries, and sensitivity are asked for bytes (PlanRequest::bytes). HACK++
/// and uniform attend to the share CompareMethod::attend (everything by default) and carry the largest total, in whole
/// tokens of all heads, that fits. Since budgets of HACK++ differ from step to step and the buffer of a head has the
/// size of its largest, its buffers together hold more tokens than any one step does.
/// @param inputs      with the classes of heads, prices and parameters of quantisation that the method needs
/// @param parameters  tau counts; alpha is in the classes already and only recorded
/// @throws Error  as make_plan(); kUsage if not even one token per head fits.
[[nodiscard]] Plan plan_within_bytes(const CompareMethod& method, const MethodParameters& parameters,
                                     const PlanInputs& inputs, std::int64_t bytes);

/// What one token in every key/value head takes, all rows of a sample.
[[nodiscard]] std::int64_t bytes_per_token_everywhere(const ModelInfo& model);

/// SHA-256 of what a plan makes a cache do: rules, counts and calibrated weights; not of method, classes or origin.
[[nodiscard]] std::string plan_effect_sha256(const Plan& plan);

}  // namespace kvscope
