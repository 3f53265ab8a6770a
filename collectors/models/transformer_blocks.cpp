#include "collectors/models/transformer_blocks.h"

#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <utility>

namespace kvscope {
namespace {

constexpr double kLayerNormEpsilon = 1e-6;
constexpr double kUnitLengthEpsilon = 1e-12;
// Order of the six AdaLN vectors.
enum AdaVector { kGate1, kGate2, kScale1, kScale2, kShift1, kShift2, kAdaVectors };

/// @param six  [6, C]; "1 + scale" is rounded to the type in which the vectors were computed.
RowCondition::Block adaln_vectors(const at::Tensor& six) {
  const auto plus_1 = [&](AdaVector row) { return six.select(0, row).add(1).to(at::kFloat); };
  const auto plain = [&](AdaVector row) { return six.select(0, row).to(at::kFloat).clone(); };
  RowCondition::Block block;
  block.gate1 = plain(kGate1);
  block.gate2 = plain(kGate2);
  block.scale1_plus_1 = plus_1(kScale1);
  block.scale2_plus_1 = plus_1(kScale2);
  block.shift1 = plain(kShift1);
  block.shift2 = plain(kShift2);
  return block;
}

}  // namespace

TransformerBlocks::TransformerBlocks(const TensorGroup& group, BlockLayout layout)
    : layout_(std::move(layout)), weights_(group, layout_) {
  const LibTorchScope scope;
  const auto conditioning = [&](const std::string& name) {
    return load_linear(group, name, layout_.conditioning_type, layout_.device);
  };
  if (layout_.shared_adaln) shared_ada_lin_ = conditioning("shared_ada_lin.1");
  head_ada_lin_ = conditioning("head_nm.ada_lin.1");
  head_ = conditioning("head");
  temperatures_.resize(layout_.blocks.size());
  for (int layer = 0; layout_.normalised_attention && layer < depth(); ++layer) {
    const at::Tensor temperature = load_temperature(group, layout_, layer);
    const float* values = temperature.const_data_ptr<float>();
    temperatures_[static_cast<std::size_t>(layer)].assign(values, values + layout_.heads);
  }
}

TransformerBlocks::UnfinishedCondition TransformerBlocks::begin_condition(const at::Tensor& vector,
                                                                          const at::Tensor& text) const {
  const LibTorchScope scope;
  UnfinishedCondition unfinished;
  unfinished.condition.start = vector;
  unfinished.activated = at::silu(vector);
  unfinished.text = text;
  if (layout_.shared_adaln) {
    unfinished.shared_adaln = shared_ada_lin_(unfinished.activated).to(at::kFloat).view({kAdaVectors, layout_.width});
  }
  const at::Tensor two = head_ada_lin_(unfinished.activated).view({2, layout_.width});
  unfinished.condition.head_scale_plus_1 = two.select(0, 0).add(1).to(at::kFloat);
  unfinished.condition.head_shift = two.select(0, 1).to(at::kFloat).clone();
  return unfinished;
}

void TransformerBlocks::add_layer(int layer, UnfinishedCondition& unfinished) const {
  const LibTorchScope scope;
  const auto block = weights(layer);
  RowCondition::Block& added = unfinished.condition.blocks.emplace_back(
      adaln_vectors(layout_.shared_adaln ? block->ada_constant + unfinished.shared_adaln
                                         : block->ada_lin(unfinished.activated).view({kAdaVectors, layout_.width})));
  if (!unfinished.text.defined()) return;
  // [length, 2, heads, head_dim]
  const at::Tensor key_value = block->cross_attention.value()
                                   .key_value(unfinished.text)
                                   .unflatten(-1, at::IntArrayRef{2, layout_.heads, layout_.head_dim});
  added.text_key = key_value.select(1, 0).transpose(0, 1).contiguous();
  added.text_value = key_value.select(1, 1).transpose(0, 1).contiguous();
}

at::Tensor TransformerBlocks::normalised(const at::Tensor& x, const at::Tensor& scale_plus_1,
                                         const at::Tensor& shift) const {
  return at::addcmul(shift, at::layer_norm(x, {layout_.width}, {}, {}, kLayerNormEpsilon), scale_plus_1);
}

void TransformerBlocks::before_attention(int layer, const at::Tensor& x, const RowCondition& condition,
                                         const Rotation* rotation, const at::Tensor& q, const at::Tensor& k,
                                         const at::Tensor& v) const {
  const LibTorchScope scope;
  const auto block = weights(layer);
  const RowCondition::Block& ada = condition.blocks[static_cast<std::size_t>(layer)];
  // [rows, N_k, 3, heads, head_dim], the rows left out where there is one.
  const at::Tensor qkv = block->qkv(normalised(x, ada.scale1_plus_1, ada.shift1))
                             .unflatten(-1, at::IntArrayRef{3, layout_.heads, layout_.head_dim});
  at::Tensor qk = qkv.narrow(-3, 0, 2);
  if (layout_.normalised_attention) {
    qk = qk.to(at::kFloat);
    const at::Tensor length = at::linalg_vector_norm(qk, 2, at::IntArrayRef{-1}, true).clamp_min(kUnitLengthEpsilon);
    qk = qk / length;
    qk.select(-3, 0).mul_(block->temperature);
  }
  if (rotation != nullptr) qk = rotated(qk.to(at::kFloat), *rotation);
  q.copy_(qk.select(-3, 0).transpose(-3, -2));
  k.copy_(qk.select(-3, 1).transpose(-3, -2));
  v.copy_(qkv.select(-3, 2).transpose(-3, -2));
}

at::Tensor TransformerBlocks::attended_text(const BlockWeights::CrossAttention& cross,
                                            const RowCondition::Block& condition, const at::Tensor& mask,
                                            const at::Tensor& x, at::Tensor* text_map) const {
  const at::Tensor input = at::layer_norm(x, {layout_.width}, cross.norm_weight, cross.norm_bias, kLayerNormEpsilon);
  const at::Tensor query =
      cross.query(input).unflatten(-1, at::IntArrayRef{layout_.heads, layout_.head_dim}).transpose(-3, -2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(layout_.head_dim));
  // The published kernel takes rounded queries, keys and values and rounds what it returns, nothing in between but the
  // probabilities that values are weighed with.
  at::Tensor logits = at::matmul(query.to(at::kFloat), condition.text_key.to(at::kFloat).transpose(-2, -1)).mul(scale);
  if (mask.defined()) logits = logits + mask;
  const at::Tensor map = at::softmax(logits, -1);
  if (text_map != nullptr) *text_map = map;
  const at::Tensor attended = at::matmul(map.to(condition.text_value.scalar_type()), condition.text_value);
  return cross.projection(attended.transpose(-3, -2).flatten(-2)).to(at::kFloat);
}

void TransformerBlocks::after_attention(int layer, const at::Tensor& attended, const RowCondition& condition,
                                        at::Tensor& x, at::Tensor* text_map) const {
  const LibTorchScope scope;
  const auto block = weights(layer);
  const RowCondition::Block& of_row = condition.blocks[static_cast<std::size_t>(layer)];
  const at::Tensor joined = attended.transpose(-3, -2).flatten(-2);
  // Nothing is overwritten that a backward pass would look at.
  x = at::addcmul(x, block->projection(joined).to(at::kFloat), of_row.gate1);
  if (block->cross_attention) x = x + attended_text(*block->cross_attention, of_row, condition.text_mask, x, text_map);
  const at::Tensor inner = at::gelu(block->fc1(normalised(x, of_row.scale2_plus_1, of_row.shift2)), "tanh");
  x = at::addcmul(x, block->fc2(inner).to(at::kFloat), of_row.gate2);
}

at::Tensor TransformerBlocks::logits(const at::Tensor& x, const RowCondition& condition) const {
  const LibTorchScope scope;
  return head_(normalised(x, condition.head_scale_plus_1, condition.head_shift)).to(at::kFloat);
}

const std::vector<float>& TransformerBlocks::temperatures(int layer) const {
  return temperatures_.at(static_cast<std::size_t>(layer));
}

}  // namespace kvscope
