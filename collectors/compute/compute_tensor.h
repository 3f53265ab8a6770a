#pragma once

#include "collectors/base/element_type.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// The element type of a tensor that attention code can read.
/// @throws Error  kUsage for other types, naming `what`.
[[nodiscard]] ElementType compute_type_of(const at::Tensor& tensor, const char* what);

/// The tensor itself if its channels are adjacent, else a contiguous copy.
[[nodiscard]] at::Tensor with_adjacent_channels(const at::Tensor& tensor);

}  // namespace kvscope
