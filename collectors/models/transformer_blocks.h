#pragma once

#include "collectors/models/block_weights.h"
#include "collectors/models/layer_weights.h"
#include "collectors/models/linear_layer.h"
#include "collectors/models/rotary_embedding.h"
#include "collectors/models/row_condition.h"
#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace kvscope {

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
  /// A condition on its way through the layers, each of which adds its part.
  struct UnfinishedCondition {
    RowCondition condition;   ///< finished once every layer has been added
    at::Tensor activated;     ///< [1, C]; what AdaLN layers read
    at::Tensor shared_adaln;  ///< [6, C] float32, of shared AdaLN
    at::Tensor text;          ///< [length, C]; undefined without cross attention
  };

  /// Refers to the checkpoint's mapped tensors where types agree and the device is the CPU, and where layers are
  /// streamed: the checkpoint must outlive it.
  TransformerBlocks(const TensorGroup& group, BlockLayout layout);

  [[nodiscard]] const BlockLayout& layout() const noexcept { return layout_; }
  [[nodiscard]] int depth() const noexcept { return static_cast<int>(layout_.blocks.size()); }
  /// Those of a layer. Members that compute with a layer read them again where layers are streamed and nobody has them.
  [[nodiscard]] std::shared_ptr<const BlockWeights> weights(int layer) const { return weights_.of(layer); }

  /// Begins with what a condition vector [1, C], which is also the start, determines beside the layers.
  /// @param text  as UnfinishedCondition's
  [[nodiscard]] UnfinishedCondition begin_condition(const at::Tensor& vector, const at::Tensor& text = {}) const;
  /// Adds a layer's AdaLN vectors and the keys and values that its cross attention reads; layers in their order.
  void add_layer(int layer, UnfinishedCondition& unfinished) const;

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

  /// BlockWeights::temperature of each head, so the largest |logit| before rounding. Empty if the model does not
  /// normalise.
  [[nodiscard]] const std::vector<float>& temperatures(int layer) const;

 private:
  [[nodiscard]] at::Tensor normalised(const at::Tensor& x, const at::Tensor& scale_plus_1,
                                      const at::Tensor& shift) const;
  [[nodiscard]] at::Tensor attended_text(const BlockWeights::CrossAttention& cross,
                                         const RowCondition::Block& condition, const at::Tensor& mask,
                                         const at::Tensor& x, at::Tensor* text_map) const;

  BlockLayout layout_;
  LinearLayer shared_ada_lin_, head_ada_lin_, head_;
  LayerWeights weights_;
  std::vector<std::vector<float>> temperatures_;  ///< of each layer
};

}  // namespace kvscope
