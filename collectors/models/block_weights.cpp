#include "collectors/models/block_weights.h"

#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace kvscope {
namespace {

constexpr std::int64_t kAdaVectors = 6;
// scale_mul is a logarithm and is clamped before exp: no temperature exceeds 100.
const float kLargestLogTemperature = static_cast<float>(std::log(100.0));

BlockWeights::CrossAttention load_cross_attention(const TensorGroup& group, const BlockLayout& layout,
                                                  const std::string& name) {
  BlockWeights::CrossAttention cross;
  cross.norm_weight = load_tensor(group, name + "ca_norm.weight", at::kFloat, layout.device);
  cross.norm_bias = load_tensor(group, name + "ca_norm.bias", at::kFloat, layout.device);
  cross.query = load_linear(group, name + "ca.mat_q", layout.type, layout.device);
  const at::Tensor v_bias = load_tensor(group, name + "ca.v_bias", layout.type, layout.device);
  cross.key_value = {load_tensor(group, name + "ca.mat_kv.weight", layout.type, layout.device),
                     at::cat({at::zeros_like(v_bias), v_bias})};
  cross.projection = load_linear(group, name + "ca.proj", layout.type, layout.device);
  return cross;
}

}  // namespace

BlockWeights load_block_weights(const TensorGroup& group, const BlockLayout& layout, int layer) {
  const std::string& name = layout.blocks[static_cast<std::size_t>(layer)];
  const auto load = [&](const std::string& part) {
    return load_tensor(group, name + part, layout.type, layout.device);
  };
  const auto linear = [&](const std::string& part) {
    return load_linear(group, name + part, layout.type, layout.device);
  };
  const std::string& attention = layout.self_attention;
  BlockWeights block;
  const at::Tensor q_bias = load(attention + "q_bias");
  const at::Tensor v_bias = load(attention + "v_bias");
  block.qkv = {load(attention + "mat_qkv.weight"), at::cat({q_bias, at::zeros_like(q_bias), v_bias})};
  block.projection = linear(attention + "proj");
  block.fc1 = linear("ffn.fc1");
  block.fc2 = linear("ffn.fc2");
  if (layout.shared_adaln) {
    block.ada_constant =
        load_tensor(group, name + "ada_gss", at::kFloat, layout.device).view({kAdaVectors, layout.width});
  } else {
    block.ada_lin = load_linear(group, name + "ada_lin.1", layout.conditioning_type, layout.device);
  }
  if (layout.normalised_attention) block.temperature = load_temperature(group, layout, layer).to(layout.device);
  if (layout.cross_attention) block.cross_attention = load_cross_attention(group, layout, name);
  return block;
}

at::Tensor load_temperature(const TensorGroup& group, const BlockLayout& layout, int layer) {
  const std::string& name = layout.blocks[static_cast<std::size_t>(layer)];
  const at::Tensor logarithm = load_tensor(group, name + layout.self_attention + "scale_mul_1H11", at::kFloat);
  return logarithm.clamp_max(kLargestLogTemperature).exp().view({layout.heads, 1});
}

}  // namespace kvscope
