#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// select_topk() by its definition: sorts all indices by (score descending, index ascending), takes k, sorts those.
[[nodiscard]] std::vector<std::int32_t> select_topk_reference(std::span<const float> scores, std::int64_t k);

}  // namespace kvscope
