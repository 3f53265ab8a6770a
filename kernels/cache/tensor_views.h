#pragma once

#include "kernels/attention/ragged_attention.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// A view of [rows, heads, tokens, head_dim] with adjacent channels; the tensor must outlive it.
[[nodiscard]] StridedHeads<const void*> heads_of(const at::Tensor& tensor, const char* what);

/// An uninitialised output for queries `q`: its shape and type, in the memory order [rows, tokens, heads, head_dim]
/// in which the next linear layer reads it.
[[nodiscard]] at::Tensor empty_output(const at::Tensor& q);
[[nodiscard]] StridedHeads<void*> output_heads_of(const at::Tensor& tensor);

}  // namespace kvscope
