#pragma once

#include "collectors/compute/key_value_segment.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// ||V_j||_2 of the tokens of some segments, in order; summed in double precision. Cost: one pass over V.
[[nodiscard]] std::vector<float> value_norms(std::span<const KeyValueSegment> segments, std::int64_t head_dim);

}  // namespace kvscope
