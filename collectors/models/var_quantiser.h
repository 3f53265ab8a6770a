#pragma once

#include "collectors/models/convolution.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/var_tokenizer_config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// Which of `count` phi convolutions scale `step` of `steps` uses: the nearest tick to step / (steps - 1),
/// the lower one on ties, ticks = linspace(a, 1 - a, count) with a = 1/(3 count) for four and 1/(2 count)
/// else, in the double arithmetic of the published code, which decides ties that are exact in mathematics:
/// ten scales share four as 0,0,1,1,1,2,2,3,3,3.
[[nodiscard]] int phi_index(int step, int steps, int count);

/// VAR's multi-scale residual quantiser: turns tokens into the code map f_hat and back, in float32.
///
/// Thread safety: const members may be called from several threads at once.
class VarQuantiser {
 public:
  /// @param sides   side of every scale; the last is the side P of the code map
  /// @param device  where it computes, and where its arguments are
  VarQuantiser(const TensorGroup& group, const VarTokenizerConfig& config, std::vector<int> sides,
               at::Device device = at::kCPU);

  [[nodiscard]] int steps() const noexcept { return static_cast<int>(sides_.size()); }
  /// P
  [[nodiscard]] int map_side() const noexcept { return sides_.back(); }

  /// Code maps of zeros, [samples, latent_width, P, P].
  [[nodiscard]] at::Tensor empty_map(std::int64_t samples = 1) const;
  /// Adds the codes of `tokens` ([N_k] or [samples, N_k] int64) of scale `step` to the maps: embedding, bicubic
  /// upsampling to P x P (not at the last scale), half of itself plus half of its phi convolution.
  void accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const;
  /// What scale `step` is predicted from: the maps averaged down to its side,
  /// [samples, latent_width, side, side].
  [[nodiscard]] at::Tensor input_map(const at::Tensor& map, int step) const;

  /// Tokens of every scale, [N_k] int64 each, for an encoder's output [1, latent_width, P, P]: at each scale the
  /// nearest code of the averaged residual.
  [[nodiscard]] std::vector<at::Tensor> quantise(const at::Tensor& features) const;

 private:
  [[nodiscard]] at::Tensor contribution(const at::Tensor& tokens, int step) const;
  [[nodiscard]] at::Tensor nearest_codes(const at::Tensor& map) const;

  std::vector<int> sides_;
  at::Tensor embedding_;  ///< [vocabulary, latent_width] float32
  std::vector<Convolution> phis_;
};

}  // namespace kvscope
