#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

struct MergedTokensReference {
  std::vector<double> keys;    ///< [n_kept, head_dim]
  std::vector<double> values;  ///< [n_kept, head_dim]
};

/// merge_tokens() by its definition: plain loops in double precision.
[[nodiscard]] MergedTokensReference merge_tokens_reference(std::span<const float> keys, std::span<const float> values,
                                                           std::int64_t head_dim, std::span<const std::int32_t> kept);

}  // namespace kvscope
