#pragma once

#include "collectors/models/engine.h"

#include <cstdint>

namespace kvscope {

/// The samples [first, first + count) of a request, with all else as it is: what a batch of a longer run generates.
[[nodiscard]] GenerationRequest part_of(const GenerationRequest& request, std::int64_t first, std::int64_t count);

}  // namespace kvscope
