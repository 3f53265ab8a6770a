#pragma once

#include "collectors/models/linear_layer.h"
#include "collectors/models/rotary_embedding.h"
#include "collectors/models/row_condition.h"
#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// Where a family keeps the tensors of its blocks, which parts its blocks have, and what they compute in.
struct BlockLayout {
  std::vector<std::string> blocks;  ///< what the names of each block's tensors begin with: "blocks.0." in VAR
  std::string self_attention;       ///< what follows in those of self-attention: "attn." in VAR
  std::int64_t width = 0;           ///< C = heads x head_dim
  int heads = 0;
  int head_dim = 0;
  bool normalised_attention = true;               ///< q and k have unit length, q times a learned temperature per head
  bool shared_adaln = false;                      ///< one AdaLN layer for all blocks, each adding its own constant
  bool cross_attention = false;                   ///< to a text, between self-attention and the feed-forward layer
  at::ScalarType type = at::kFloat;               ///< of linear layers, q, k and v
  at::ScalarType conditioning_type = at::kFloat;  ///< of the AdaLN layers and of the head
  at::Device device = at::kCPU;                   ///< where it computes, and where its arguments are
};

/// The blocks and the head of the transformers of VAR (Tian et al. 2024, arXiv 2404.02905) and Infinity (Han et al.
/// 2024, arXiv 2412.04431), without self-attention over the cache; one row at a time or all rows together.
///
/// A row is one sequence: x [N_k, C] float32 is its residual stream during one step, or [rows, N_k, C] that of all
/// rows; shapes below leave the rows out. A block is
///   x + gate1 attention(normalised x), then where there is a text + cross attention, then + gate2 feed-forward:
/// before_attention(), attention over the cache, after_attention().
///
/// Element types: with type bfloat16 or float16 the linear layers run in it (LibTorch's float32 accumulation),
/// everything else in float32: residual stream, LayerNorm, unit length and rotation of q and k, softmax, gates and
/// logits. That is the published code under autocast, except that the gated sub-layer output is multiplied in float32.
/// With float32 everything is float32.
///
/// Thread safety: const members may be called from several threads at once.
class TransformerBlocks {
 public:
  /// Refers to the checkpoint's mapped tensors where types agree and the device is the CPU.
  TransformerBlocks(const TensorGroup& group, BlockLayout layout);

  [[nodiscard]] const BlockLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] int depth() const noexcept { return static_cast<int>(blocks_.size()); }

  /// The AdaLN vectors of a condition vector [1, C], which is also the start.
  [[nodiscard]] RowCondition condition(const at::Tensor& vector) const;
  /// Adds the keys and values that cross attention reads of `text` [length, C].
  void add_text(RowCondition& condition, const at::Tensor& text) const;

  /// AdaLN and the packed projection; q and k with unit length (q times its learned temperature) where
  /// the model normalises them, then turned where there is a rotation.
  /// @param q, k, v  [heads, N_k, head_dim] in the type of the layout; written to
  void before_attention(int layer, const at::Tensor& x, const RowCondition& condition, const Rotation* rotation,
                        const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const;
  /// Adds the gated attention output, cross attention and the gated feed-forward layer to x.
  /// @param attended  [heads, N_k, head_dim]
  /// @param text_map  if not null and there is a text: gets the probabilities of cross attention,
  ///                  [heads, N_k, length] float32
  void after_attention(int layer, const at::Tensor& attended, const RowCondition& condition, at::Tensor& x,
                       at::Tensor* text_map = nullptr) const;
  /// [N_k, logits of a token] float32
  [[nodiscard]] at::Tensor logits(const at::Tensor& x, const RowCondition& condition) const;

  /// exp(min(scale_mul, ln 100)) of each head: what q is multiplied with, so the largest |logit| before
  /// rounding. Empty if the model does not normalise.
  [[nodiscard]] const std::vector<float>& temperatures(int layer) const;

 private:
  struct CrossAttention {
    at::Tensor norm_weight, norm_bias;  ///< [C] float32
    LinearLayer query, key_value, projection;
  };
  struct Block {
    LinearLayer qkv, projection, fc1, fc2, ada_lin;
    at::Tensor ada_constant;  ///< [6, C] float32, of shared AdaLN
    at::Tensor temperature;   ///< [heads, 1] float32
    std::vector<float> temperatures;
    std::optional<CrossAttention> cross_attention;
  };

  [[nodiscard]] Block load_block(const TensorGroup& group, const std::string& name) const;
  [[nodiscard]] CrossAttention load_cross_attention(const TensorGroup& group, const std::string& name) const;
  void load_temperatures(const TensorGroup& group, const std::string& name, Block& block) const;
  [[nodiscard]] at::Tensor normalised(const at::Tensor& x, const at::Tensor& scale_plus_1,
                                      const at::Tensor& shift) const;
  [[nodiscard]] at::Tensor attended_text(const CrossAttention& cross, const RowCondition::Block& condition,
                                         const at::Tensor& mask, const at::Tensor& x, at::Tensor* text_map) const;

  BlockLayout layout_;
  LinearLayer shared_ada_lin_, head_ada_lin_, head_;
  std::vector<Block> blocks_;
};

}  // namespace kvscope
