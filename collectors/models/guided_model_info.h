#pragma once

#include "collectors/base/element_type.h"
#include "collectors/checkpoint/checkpoint.h"
#include "collectors/geometry/model_info.h"

#include <string_view>

namespace kvscope {

/// What captures and plans say of a model with a conditional and an unconditional branch whose every query head has
/// keys and values of its own.
/// @param config        a family's, with depth, heads and head_dim
/// @param compute_type  of the cache, too
template <typename Config>
[[nodiscard]] ModelInfo guided_model_info(std::string_view family, const Config& config, double softmax_scale,
                                          const Checkpoint& transformer, const Checkpoint& tokenizer,
                                          ElementType compute_type) {
  const Checkpoint* files[] = {&transformer, &tokenizer};
  ModelInfo info;
  info.family = family;
  info.fingerprint = fingerprint(files);
  info.layers = config.depth;
  info.heads = config.heads;
  info.kv_heads = config.heads;
  info.head_dim = config.head_dim;
  info.softmax_scale = {softmax_scale};
  info.branches = {"conditional", "unconditional"};
  info.key_type = compute_type;
  info.value_type = compute_type;
  return info;
}

}  // namespace kvscope
