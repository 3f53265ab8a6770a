#pragma once

#include "collectors/base/element_type.h"
#include "kernels/attention/ragged_attention.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// The element type of a tensor that kernels can read.
/// @throws Error  kUsage for other types, naming `what`.
[[nodiscard]] ElementType compute_type_of(const at::Tensor& tensor, const char* what);

/// The tensor itself if its channels are adjacent, else a contiguous copy.
[[nodiscard]] at::Tensor with_adjacent_channels(const at::Tensor& tensor);

/// A view of [rows, heads, tokens, head_dim] with adjacent channels; the tensor must outlive it.
[[nodiscard]] StridedHeads<const void*> heads_of(const at::Tensor& tensor, const char* what);

/// An uninitialised output for queries `q`: its shape and type, in the memory order [rows, tokens, heads, head_dim]
/// in which the next linear layer reads it.
[[nodiscard]] at::Tensor empty_output(const at::Tensor& q);
[[nodiscard]] StridedHeads<void*> output_heads_of(const at::Tensor& tensor);

}  // namespace kvscope
