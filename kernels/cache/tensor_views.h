#pragma once

#include "kernels/attention/ragged_attention.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// A view of [rows, heads, tokens, head_dim] with adjacent channels, on any device, as elements of `type`.
template <typename Pointer>
[[nodiscard]] StridedHeads<Pointer> strided_heads(const at::Tensor& tensor, ElementType type) {
  return {.data = tensor.data_ptr(),
          .type = type,
          .row_stride = tensor.stride(0),
          .head_stride = tensor.stride(1),
          .token_stride = tensor.stride(2)};
}

/// A view of [rows, heads, tokens, head_dim] with adjacent channels; the tensor must outlive it.
[[nodiscard]] StridedHeads<const void*> heads_of(const at::Tensor& tensor, const char* what);

/// An uninitialised output for queries `q`: its shape and type, in the memory order [rows, tokens, heads, head_dim]
/// in which the next linear layer reads it.
[[nodiscard]] at::Tensor empty_output(const at::Tensor& q);
[[nodiscard]] StridedHeads<void*> output_heads_of(const at::Tensor& tensor);

}  // namespace kvscope
