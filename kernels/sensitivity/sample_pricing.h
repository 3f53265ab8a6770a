#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/array.h"
#include "collectors/models/engine.h"
#include "collectors/models/layer_gradients.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace kvscope {

/// One full run of one sample, with the derivatives that price errors of its attention outputs.
///
/// With y one draw of every token from the guided distribution and g = d(sum over tokens of ln p(y)) / d o the
/// derivative by the attention outputs, an error delta of one head's outputs changes the distribution by
///
///     KL(full || changed) ~= 1/2 E_y [ (g . delta)^2 ]                  (second order: the Fisher information)
///
/// All branches of a sample carry the error at the same time, so a query's g . delta is their sum; queries are taken
/// to be independent of one another: squares are summed over them.
///
/// When all heads are changed together, the errors at a query add up before the square: with e = g . delta of each
/// head and E = the sum of e over all heads, KL ~= 1/2 E_y [ E^2 ] (joint_errors()), and giving one head another error
/// e' in such company costs 1/2 E_y [ (E - e + e')^2 - (E - e)^2 ] (costs() with `company`).
///
/// Layers are gone through from the last one down (LayerGradients), so memory is that of one run, not of a graph.
class SamplePricing {
 public:
  /// Runs the model freely.
  /// @param request  of one sample
  /// @param draws    number of draws of y
  /// @param seed     of these draws
  SamplePricing(const Engine& engine, const GenerationRequest& request, int draws, std::uint64_t seed);

  /// What a plan's heads do to a sample all together: E at every step, [draws, N_k] float64.
  struct Company {
    Plan plan;
    std::vector<at::Tensor> errors;
  };
  [[nodiscard]] Company joint_errors(const Plan& plan);

  /// What plans would cost if each head alone followed them, the others keeping everything: [layer, kv_head, step] of
  /// each plan, nats at the tokens of that step divided by the tokens of the sample. Attention of the plans' caches is
  /// computed again from the run's queries, keys and values; the model is not run.
  ///
  /// @param company  if not null, the others follow company->plan; then a cost may be negative, where an error undoes
  ///                 part of the others'.
  [[nodiscard]] std::vector<Array<double>> costs(std::span<const Plan> plans, const Company* company = nullptr);
  [[nodiscard]] Array<double> costs(const Plan& plan) { return costs({&plan, 1}).front(); }

 private:
  using LayerCalls = std::vector<LayerGradients::Call>;
  void for_each_layer(const std::function<void(int layer, const LayerCalls& calls)>& body);
  [[nodiscard]] std::vector<at::Tensor> errors(const Plan& plan, int layer, const LayerCalls& calls) const;

  const Engine& engine_;
  std::unique_ptr<LayerGradients> gradients_;
  std::vector<std::vector<at::Tensor>> by_logits_;  ///< [draw][step]
};

}  // namespace kvscope
