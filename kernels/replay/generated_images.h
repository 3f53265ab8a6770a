#pragma once

#include "collectors/base/array.h"
#include "collectors/models/engine.h"

#include <cstdint>

namespace kvscope {

/// The images of a generation that is done: [batch, height, width, 3], RGB.
[[nodiscard]] Array<std::uint8_t> generated_images(GenerationSession& session);

}  // namespace kvscope
