#include "collectors/models/infinity_transformer.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kRmsNormEpsilon = 1e-6;

BlockLayout block_layout(const InfinityConfig& config, at::ScalarType compute_type, at::Device device,
                         LayerStorage storage) {
  BlockLayout layout{.blocks = {},
                     .self_attention = "sa.",
                     .width = config.width,
                     .heads = config.heads,
                     .head_dim = config.head_dim,
                     .normalised_attention = true,
                     .shared_adaln = true,
                     .cross_attention = true,
                     .type = compute_type,
                     .conditioning_type = at::kFloat,
                     .device = device,
                     .storage = storage};
  for (int layer = 0; layer < config.depth; ++layer) layout.blocks.push_back(config.block_name(layer));
  return layout;
}

at::Tensor cut_or_filled(const at::Tensor& text, std::int64_t tokens) {
  if (tokens <= text.size(0)) return text.narrow(0, 0, tokens);
  return at::cat({text, at::zeros({tokens - text.size(0), text.size(1)}, text.options())});
}

}  // namespace

InfinityTransformer::InfinityTransformer(const TensorGroup& group, const InfinityConfig& config,
                                         const InfinitySchedule& schedule, std::int64_t text_tokens,
                                         at::ScalarType compute_type, at::Device device, LayerStorage storage)
    : config_(config), blocks_(group, block_layout(config, compute_type, device, storage)) {
  const LibTorchScope scope;
  if (std::ssize(schedule.scales) > config.levels) {
    throw bad_input("{}: lvl_embed.weight knows {} scales, but images of this size have {}", group.file(),
                    config.levels, schedule.scales.size());
  }
  const auto load = [&](const std::string& name) { return load_tensor(group, name, at::kFloat, device); };
  const auto linear = [&](const std::string& name) { return load_linear(group, name, compute_type, device); };
  for (const TokenGrid& grid : schedule.scales)
    rotations_.push_back(grid_rotation(grid, schedule.largest, config.head_dim, device));
  unconditional_text_ = cut_or_filled(load("cfg_uncond"), text_tokens);
  text_norm_ = load("text_norm.weight");
  // Rounded as in cross attention: the published run pools with the same kernel.
  pooling_query_ =
      load_tensor(group, "text_proj_for_sos.ca.mat_q", compute_type, device)[0].unsqueeze(1).to(at::kFloat);
  const at::Tensor v_bias = load_tensor(group, "text_proj_for_sos.ca.v_bias", compute_type, device);
  pooling_key_value_ = {load_tensor(group, "text_proj_for_sos.ca.mat_kv.weight", compute_type, device),
                        at::cat({at::zeros_like(v_bias), v_bias})};
  pooling_projection_ = linear("text_proj_for_sos.ca.proj");
  text_projection1_ = linear("text_proj_for_ca.0");
  text_projection2_ = linear("text_proj_for_ca.2");
  word_embedding_ = linear("word_embed");
  start_position_ = load("pos_start")[0];
  levels_ = load("lvl_embed.weight");
}

at::Tensor InfinityTransformer::unconditional_text(std::int64_t length) const {
  return unconditional_text_.narrow(0, 0, length);
}

at::Tensor InfinityTransformer::pooled(const at::Tensor& text) const {
  const std::int64_t head_width = config_.width / config_.pooling_heads;
  // [length, 2, heads, head_width]
  const at::Tensor key_value =
      pooling_key_value_(text).to(at::kFloat).unflatten(-1, at::IntArrayRef{2, config_.pooling_heads, head_width});
  const at::Tensor keys = key_value.select(1, 0).transpose(0, 1);    // [heads, length, head_width]
  const at::Tensor values = key_value.select(1, 1).transpose(0, 1);  // the same
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_width));
  const at::Tensor weights = at::softmax(at::matmul(pooling_query_, keys.transpose(1, 2)).mul(scale), -1);
  return pooling_projection_(at::matmul(weights, values).view({1, config_.width})).to(at::kFloat);
}

TransformerBlocks::UnfinishedCondition InfinityTransformer::condition(const at::Tensor& text) const {
  const LibTorchScope scope;
  const at::Tensor mean_square = text.square().mean(at::OptionalIntArrayRef({-1}), true);
  const at::Tensor normalised = text * at::rsqrt(mean_square.add(kRmsNormEpsilon)) * text_norm_;
  return blocks_.begin_condition(pooled(normalised),
                                 text_projection2_(at::gelu(text_projection1_(normalised), "tanh")));
}

at::Tensor InfinityTransformer::first_input(const RowCondition& condition) const {
  const LibTorchScope scope;
  return condition.start + start_position_ + levels_[0];
}

at::Tensor InfinityTransformer::next_input(const at::Tensor& tokens, int step) const {
  const LibTorchScope scope;
  return word_embedding_(tokens).to(at::kFloat) + levels_[step];
}

}  // namespace kvscope
