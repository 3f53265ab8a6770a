#pragma once

#include "collectors/compute/key_value_segment.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Keys and values side by side as float32, [n_token, head_dim] each.
struct GatheredTokens {
  std::vector<float> keys;
  std::vector<float> values;
};

/// The tokens of some segments, in order; exact, 8-bit codes as the values they stand for. Cost: one pass over them.
[[nodiscard]] GatheredTokens gather_tokens(std::span<const KeyValueSegment> segments, std::int64_t head_dim);

}  // namespace kvscope
