#pragma once

#include "collectors/models/layer_storage.h"
#include "collectors/models/linear_layer.h"
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
  LayerStorage storage = LayerStorage::kResident;
};

/// The weights of one block of TransformerBlocks.
struct BlockWeights {
  struct CrossAttention {
    at::Tensor norm_weight, norm_bias;  ///< [C] float32
    LinearLayer query, key_value, projection;
  };
  LinearLayer qkv, projection, fc1, fc2, ada_lin;
  at::Tensor ada_constant;  ///< [6, C] float32, of shared AdaLN
  at::Tensor temperature;   ///< [heads, 1] float32; what q is multiplied with, exp(min(scale_mul, ln 100))
  std::optional<CrossAttention> cross_attention;
};

/// Refers to the checkpoint's mapped tensors where types agree and the device is the CPU.
[[nodiscard]] BlockWeights load_block_weights(const TensorGroup& group, const BlockLayout& layout, int layer);

/// BlockWeights::temperature of one block, on the CPU.
[[nodiscard]] at::Tensor load_temperature(const TensorGroup& group, const BlockLayout& layout, int layer);

}  // namespace kvscope
