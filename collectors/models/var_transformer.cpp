#include "collectors/models/var_transformer.h"

#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

namespace kvscope {
namespace {

BlockLayout block_layout(const VarConfig& config, at::ScalarType compute_type, at::Device device,
                         LayerStorage storage) {
  BlockLayout layout{.blocks = {},
                     .self_attention = "attn.",
                     .width = config.width,
                     .heads = config.heads,
                     .head_dim = config.head_dim,
                     .normalised_attention = config.normalised_attention,
                     .shared_adaln = config.shared_adaln,
                     .type = compute_type,
                     .conditioning_type = compute_type,
                     .device = device,
                     .storage = storage};
  for (int layer = 0; layer < config.depth; ++layer) layout.blocks.push_back(fmt::format("blocks.{}.", layer));
  return layout;
}

}  // namespace

VarTransformer::VarTransformer(const TensorGroup& group, const VarConfig& config, at::ScalarType compute_type,
                               at::Device device, LayerStorage storage)
    : config_(config), blocks_(group, block_layout(config, compute_type, device, storage)) {
  const LibTorchScope scope;
  const auto load = [&](const std::string& name) { return load_tensor(group, name, at::kFloat, device); };
  word_embedding_ = load_linear(group, "word_embed", compute_type, device);
  class_embedding_ = load("class_emb.weight");
  start_position_ = load("pos_start")[0];
  position_and_level_ = load("pos_1LC")[0].clone();
  const at::Tensor levels = load("lvl_embed.weight");
  std::int64_t offset = 0;
  for (std::size_t step = 0; step < config.sides.size(); ++step) {
    offsets_.push_back(offset);
    const std::int64_t tokens = std::int64_t{config.sides[step]} * config.sides[step];
    position_and_level_.narrow(0, offset, tokens).add_(levels[static_cast<std::int64_t>(step)]);
    offset += tokens;
  }
}

TransformerBlocks::UnfinishedCondition VarTransformer::condition(std::int64_t label) const {
  const LibTorchScope scope;
  return blocks_.begin_condition(class_embedding_.narrow(0, label, 1));
}

at::Tensor VarTransformer::first_input(const RowCondition& condition) const {
  const LibTorchScope scope;
  return condition.start + start_position_ + position_and_level_.narrow(0, 0, start_position_.size(0));
}

at::Tensor VarTransformer::next_input(const at::Tensor& map, int step) const {
  const LibTorchScope scope;
  const at::Tensor tokens = map.flatten(2).transpose(1, 2).contiguous();  // [n, N_k, latent_width]
  const at::Tensor embedded = word_embedding_(tokens).to(at::kFloat);
  return embedded + position_and_level_.narrow(0, offsets_.at(static_cast<std::size_t>(step)), tokens.size(1));
}

}  // namespace kvscope
