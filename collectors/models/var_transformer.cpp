#include "collectors/models/var_transformer.h"

#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kvscope {
namespace {

constexpr double kLayerNormEpsilon = 1e-6;
constexpr double kUnitLengthEpsilon = 1e-12;
// scale_mul is a logarithm and is clamped before exp: no temperature exceeds 100.
const float kLargestLogTemperature = static_cast<float>(std::log(100.0));
// Order of the six AdaLN vectors.
enum AdaVector { kGate1, kGate2, kScale1, kScale2, kShift1, kShift2, kAdaVectors };

using BlockCondition = VarTransformer::Condition::Block;
constexpr std::array kBlockVectors = {&BlockCondition::gate1,         &BlockCondition::gate2,
                                      &BlockCondition::scale1_plus_1, &BlockCondition::scale2_plus_1,
                                      &BlockCondition::shift1,        &BlockCondition::shift2};

at::Tensor rows_of_six(const at::Tensor& six, AdaVector row) {
  return six.select(0, row);
}

}  // namespace

VarTransformer::VarTransformer(const TensorGroup& group, const VarConfig& config, at::ScalarType compute_type,
                               at::Device device)
    : config_(config), compute_type_(compute_type), device_(device) {
  const LibTorchScope scope;
  word_embedding_ = load_linear(group, "word_embed");
  if (config.shared_adaln) shared_ada_lin_ = load_linear(group, "shared_ada_lin.1");
  head_ada_lin_ = load_linear(group, "head_nm.ada_lin.1");
  head_ = load_linear(group, "head");
  class_embedding_ = load(group, "class_emb.weight", at::kFloat);
  start_position_ = load(group, "pos_start", at::kFloat)[0];
  position_and_level_ = load(group, "pos_1LC", at::kFloat)[0].clone();
  const at::Tensor levels = load(group, "lvl_embed.weight", at::kFloat);
  std::int64_t offset = 0;
  for (std::size_t step = 0; step < config.sides.size(); ++step) {
    offsets_.push_back(offset);
    const std::int64_t tokens = std::int64_t{config.sides[step]} * config.sides[step];
    position_and_level_.narrow(0, offset, tokens).add_(levels[static_cast<std::int64_t>(step)]);
    offset += tokens;
  }
  for (int layer = 0; layer < config.depth; ++layer) blocks_.push_back(load_block(group, layer));
}

at::Tensor VarTransformer::load(const TensorGroup& group, const std::string& name, at::ScalarType type) const {
  return load_tensor(group, name, type, device_);
}

VarTransformer::Linear VarTransformer::load_linear(const TensorGroup& group, const std::string& name) const {
  return {load(group, name + ".weight", compute_type_), load(group, name + ".bias", compute_type_)};
}

VarTransformer::Block VarTransformer::load_block(const TensorGroup& group, int layer) const {
  const std::string name = fmt::format("blocks.{}.", layer);
  Block block;
  const at::Tensor q_bias = load(group, name + "attn.q_bias", compute_type_);
  const at::Tensor v_bias = load(group, name + "attn.v_bias", compute_type_);
  block.qkv = {load(group, name + "attn.mat_qkv.weight", compute_type_),
               at::cat({q_bias, at::zeros_like(q_bias), v_bias})};
  block.projection = load_linear(group, name + "attn.proj");
  block.fc1 = load_linear(group, name + "ffn.fc1");
  block.fc2 = load_linear(group, name + "ffn.fc2");
  if (config_.shared_adaln) {
    block.ada_constant = load(group, name + "ada_gss", at::kFloat).view({kAdaVectors, config_.width});
  } else {
    block.ada_lin = load_linear(group, name + "ada_lin.1");
  }
  if (config_.normalised_attention) {
    const at::Tensor log_temperature = load_tensor(group, name + "attn.scale_mul_1H11", at::kFloat);
    const at::Tensor temperature = log_temperature.clamp_max(kLargestLogTemperature).exp().view({config_.heads, 1});
    const float* values = temperature.const_data_ptr<float>();
    block.temperatures.assign(values, values + config_.heads);
    block.temperature = temperature.to(device_);
  }
  return block;
}

at::Tensor VarTransformer::apply(const Linear& linear, const at::Tensor& x) const {
  return at::linear(x.to(compute_type_), linear.weight, linear.bias);
}

VarTransformer::Condition VarTransformer::condition(std::int64_t label) const {
  const LibTorchScope scope;
  Condition result;
  result.start = class_embedding_.narrow(0, label, 1);
  const at::Tensor activated = at::silu(result.start);
  at::Tensor shared;
  if (config_.shared_adaln)
    shared = apply(shared_ada_lin_, activated).to(at::kFloat).view({kAdaVectors, config_.width});
  for (const Block& block : blocks_) {
    // [6, C]; "1 + scale" is rounded to the type in which the vectors were computed.
    const at::Tensor six = config_.shared_adaln ? block.ada_constant + shared
                                                : apply(block.ada_lin, activated).view({kAdaVectors, config_.width});
    const auto plus_1 = [&](AdaVector row) { return rows_of_six(six, row).add(1).to(at::kFloat); };
    const auto plain = [&](AdaVector row) { return rows_of_six(six, row).to(at::kFloat).clone(); };
    result.blocks.push_back({.gate1 = plain(kGate1),
                             .gate2 = plain(kGate2),
                             .scale1_plus_1 = plus_1(kScale1),
                             .scale2_plus_1 = plus_1(kScale2),
                             .shift1 = plain(kShift1),
                             .shift2 = plain(kShift2)});
  }
  const at::Tensor two = apply(head_ada_lin_, activated).view({2, config_.width});
  result.head_scale_plus_1 = two.select(0, 0).add(1).to(at::kFloat);
  result.head_shift = two.select(0, 1).to(at::kFloat).clone();
  return result;
}

std::vector<at::Tensor> VarTransformer::Condition::vectors() const {
  std::vector<at::Tensor> all = {head_scale_plus_1, head_shift};
  for (const Block& block : blocks) {
    for (const auto vector : kBlockVectors) all.push_back(block.*vector);
  }
  return all;
}

VarTransformer::Condition VarTransformer::Condition::of_vectors(const std::vector<at::Tensor>& vectors) {
  Condition condition;
  auto next = vectors.begin();
  condition.head_scale_plus_1 = *next++;
  condition.head_shift = *next++;
  while (next != vectors.end()) {
    Block& block = condition.blocks.emplace_back();
    for (const auto vector : kBlockVectors) block.*vector = *next++;
  }
  return condition;
}

VarTransformer::Condition VarTransformer::of_rows(const std::vector<const Condition*>& rows) {
  const LibTorchScope scope;
  const auto stack = [&](const auto& member) {
    std::vector<at::Tensor> vectors;
    for (const Condition* row : rows) vectors.push_back(member(*row).view({1, -1}));
    return at::stack(vectors);  // [rows, 1, C]
  };
  Condition all;
  all.start = stack([](const Condition& row) { return row.start; });
  all.head_scale_plus_1 = stack([](const Condition& row) { return row.head_scale_plus_1; });
  all.head_shift = stack([](const Condition& row) { return row.head_shift; });
  for (std::size_t layer = 0; layer < rows.front()->blocks.size(); ++layer) {
    Condition::Block& block = all.blocks.emplace_back();
    for (const auto vector : kBlockVectors) {
      block.*vector = stack([&](const Condition& row) { return row.blocks[layer].*vector; });
    }
  }
  return all;
}

at::Tensor VarTransformer::first_input(const Condition& condition) const {
  const LibTorchScope scope;
  return condition.start + start_position_ + position_and_level_.narrow(0, 0, start_position_.size(0));
}

at::Tensor VarTransformer::next_input(const at::Tensor& map, int step) const {
  const LibTorchScope scope;
  const at::Tensor tokens = map.flatten(2).transpose(1, 2).contiguous();  // [n, N_k, latent_width]
  const at::Tensor embedded = apply(word_embedding_, tokens).to(at::kFloat);
  return embedded + position_and_level_.narrow(0, offsets_.at(static_cast<std::size_t>(step)), tokens.size(1));
}

at::Tensor VarTransformer::normalised(const at::Tensor& x, const at::Tensor& scale_plus_1,
                                      const at::Tensor& shift) const {
  return at::addcmul(shift, at::layer_norm(x, {config_.width}, {}, {}, kLayerNormEpsilon), scale_plus_1);
}

void VarTransformer::before_attention(int layer, const at::Tensor& x, const Condition& condition, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v) const {
  const LibTorchScope scope;
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const Condition::Block& ada = condition.blocks[static_cast<std::size_t>(layer)];
  // [rows, N_k, 3, heads, head_dim], the rows left out where there is one.
  const at::Tensor qkv = apply(block.qkv, normalised(x, ada.scale1_plus_1, ada.shift1))
                             .unflatten(-1, at::IntArrayRef{3, config_.heads, config_.head_dim});
  at::Tensor qk = qkv.narrow(-3, 0, 2);
  if (config_.normalised_attention) {
    qk = qk.to(at::kFloat);
    const at::Tensor length = at::linalg_vector_norm(qk, 2, at::IntArrayRef{-1}, true).clamp_min(kUnitLengthEpsilon);
    qk = qk / length;
    qk.select(-3, 0).mul_(block.temperature);
  }
  q.copy_(qk.select(-3, 0).transpose(-3, -2));
  k.copy_(qk.select(-3, 1).transpose(-3, -2));
  v.copy_(qkv.select(-3, 2).transpose(-3, -2));
}

void VarTransformer::after_attention(int layer, const at::Tensor& attended, const Condition& condition,
                                     at::Tensor& x) const {
  const LibTorchScope scope;
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const Condition::Block& ada = condition.blocks[static_cast<std::size_t>(layer)];
  const at::Tensor joined = attended.transpose(-3, -2).flatten(-2);
  // Nothing is overwritten that a backward pass would look at.
  x = at::addcmul(x, apply(block.projection, joined).to(at::kFloat), ada.gate1);
  const at::Tensor inner = at::gelu(apply(block.fc1, normalised(x, ada.scale2_plus_1, ada.shift2)), "tanh");
  x = at::addcmul(x, apply(block.fc2, inner).to(at::kFloat), ada.gate2);
}

at::Tensor VarTransformer::logits(const at::Tensor& x, const Condition& condition) const {
  const LibTorchScope scope;
  return apply(head_, normalised(x, condition.head_scale_plus_1, condition.head_shift)).to(at::kFloat);
}

const std::vector<float>& VarTransformer::temperatures(int layer) const {
  return blocks_.at(static_cast<std::size_t>(layer)).temperatures;
}

}  // namespace kvscope
