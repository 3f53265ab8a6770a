#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/base/array.h"
#include "collectors/models/engine.h"

#include <cstdint>
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
class SamplePricing {
 public:
  /// Runs the model freely and differentiates `draws` times.
  /// @param request  of one sample
  /// @param seed     of the draws y
  SamplePricing(const Engine& engine, const GenerationRequest& request, int draws, std::uint64_t seed);

  /// What a plan would cost if each head alone followed it, the others keeping everything: [layer, kv_head, step],
  /// nats at the tokens of that step divided by the tokens of the sample. Attention of the plan's cache is computed
  /// again from the run's queries, keys and values; the model is not run.
  [[nodiscard]] Array<double> costs(const Plan& plan) const;

 private:
  struct Site {
    at::Tensor query, key, value;  ///< [rows, heads or kv_heads, N_k, head_dim]
    at::Tensor output;             ///< [rows, heads, N_k, head_dim] float32
    at::Tensor gradient;           ///< [draws, rows, heads, N_k, head_dim] float32
    std::vector<float> softmax_scale;
    std::vector<float> logit_bound;
  };

  [[nodiscard]] std::vector<double> site_costs(const Site& site, const at::Tensor& changed) const;

  const Engine& engine_;
  std::vector<std::vector<Site>> sites_;  ///< [step][layer]
};

}  // namespace kvscope
