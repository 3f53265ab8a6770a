#pragma once

#include "collectors/models/tensor_group.h"
#include "collectors/models/var_config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// VAR's transformer without its attention over the cache, one row at a time or all rows together.
///
/// A row is one sequence: x [N_k, C] float32 is its residual stream during one step, or [rows, N_k, C] that of all
/// rows; shapes below leave the rows out. A step is
///   x = first_input() or next_input();  then for each layer  before_attention(), attention over the
///   cache, after_attention();  then logits().
///
/// Element types: with compute type bfloat16 or float16 the linear layers run in it (LibTorch's float32
/// accumulation), everything else in float32: residual stream, LayerNorm, unit length of q and k, gates
/// and logits. That is the published code under autocast, except that the gated sub-layer output is
/// multiplied in float32. With float32 everything is float32.
///
/// Thread safety: const members may be called from several threads at once.
class VarTransformer {
 public:
  /// What a label determines once for a whole generation: the six AdaLN vectors of every block and the
  /// two of the head, float32.
  struct Condition {
    struct Block {
      at::Tensor gate1, gate2;                  ///< gamma1, gamma2: [C], of all rows [rows, 1, C]
      at::Tensor scale1_plus_1, scale2_plus_1;  ///< the same
      at::Tensor shift1, shift2;                ///< the same
    };
    at::Tensor start;  ///< class embedding, [1, C], of all rows [rows, 1, C]
    std::vector<Block> blocks;
    at::Tensor head_scale_plus_1, head_shift;  ///< as the vectors of a block

    /// All but `start`, in an order of their own: what every step reads.
    [[nodiscard]] std::vector<at::Tensor> vectors() const;
    /// The condition that vectors() came from, without its `start`.
    [[nodiscard]] static Condition of_vectors(const std::vector<at::Tensor>& vectors);
  };

  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU.
  /// @param device  where it computes, and where its arguments are
  VarTransformer(const TensorGroup& group, const VarConfig& config, at::ScalarType compute_type,
                 at::Device device = at::kCPU);

  [[nodiscard]] const VarConfig& config() const noexcept { return config_; }
  [[nodiscard]] at::ScalarType compute_type() const noexcept { return compute_type_; }
  [[nodiscard]] at::Device device() const noexcept { return device_; }

  /// @param label  in [0, classes]; `classes` is the unconditional one
  [[nodiscard]] Condition condition(std::int64_t label) const;
  /// The condition of many rows together, from that of each.
  [[nodiscard]] static Condition of_rows(const std::vector<const Condition*>& rows);

  /// Input of step 0: class embedding + start position + position and level, [N_0, C].
  [[nodiscard]] at::Tensor first_input(const Condition& condition) const;
  /// Input of step >= 1 from downsampled code maps [n, latent_width, side, side]; -> [n, N_k, C].
  [[nodiscard]] at::Tensor next_input(const at::Tensor& map, int step) const;

  /// AdaLN and the packed projection; q and k with unit length (q times its learned temperature) where
  /// the model normalises them.
  /// @param q, k, v  [heads, N_k, head_dim] in the compute type; written to
  void before_attention(int layer, const at::Tensor& x, const Condition& condition, const at::Tensor& q,
                        const at::Tensor& k, const at::Tensor& v) const;
  /// Adds the gated attention output and the gated feed-forward layer to x.
  /// @param attended  [heads, N_k, head_dim]
  void after_attention(int layer, const at::Tensor& attended, const Condition& condition, at::Tensor& x) const;
  /// [N_k, vocabulary] float32
  [[nodiscard]] at::Tensor logits(const at::Tensor& x, const Condition& condition) const;

  /// exp(min(scale_mul, ln 100)) of each head: what q is multiplied with, so the largest |logit| before
  /// rounding. Empty if the model does not normalise.
  [[nodiscard]] const std::vector<float>& temperatures(int layer) const;

 private:
  struct Linear {
    at::Tensor weight, bias;
  };
  struct Block {
    Linear qkv, projection, fc1, fc2, ada_lin;
    at::Tensor ada_constant;  ///< [6, C] float32, of shared AdaLN
    at::Tensor temperature;   ///< [heads, 1] float32
    std::vector<float> temperatures;
  };

  [[nodiscard]] at::Tensor load(const TensorGroup& group, const std::string& name, at::ScalarType type) const;
  [[nodiscard]] Linear load_linear(const TensorGroup& group, const std::string& name) const;
  [[nodiscard]] Block load_block(const TensorGroup& group, int layer) const;
  [[nodiscard]] at::Tensor apply(const Linear& linear, const at::Tensor& x) const;
  [[nodiscard]] at::Tensor normalised(const at::Tensor& x, const at::Tensor& scale_plus_1,
                                      const at::Tensor& shift) const;

  VarConfig config_;
  at::ScalarType compute_type_;
  at::Device device_;
  Linear word_embedding_, shared_ada_lin_, head_ada_lin_, head_;
  at::Tensor class_embedding_;         ///< [classes + 1, C] float32
  at::Tensor start_position_;          ///< [N_0, C] float32
  at::Tensor position_and_level_;      ///< [L, C] float32
  std::vector<std::int64_t> offsets_;  ///< first token of each step
  std::vector<Block> blocks_;
};

}  // namespace kvscope
