#pragma once

#include "collectors/base/element_type.h"
#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <string_view>

namespace kvscope {

/// LibTorch's name of an element type.
[[nodiscard]] at::ScalarType scalar_type(ElementType type);
[[nodiscard]] ElementType element_type(at::ScalarType type);

/// A checkpoint's tensor, row-major, in element type `type` on `device`. On the CPU, where the file has that type,
/// order and alignment, the result refers to the mapped file, which must then outlive it and is never written to;
/// else it is a copy. (The kernels of the library may round differently with the alignment of their operands: the
/// same tensors in another container can differ in last places.)
[[nodiscard]] at::Tensor load_tensor(const CheckpointTensor& tensor, at::ScalarType type, at::Device device = at::kCPU);
/// The same of a group's tensor. Where it is a copy, the memory that reading the file took is given back.
[[nodiscard]] at::Tensor load_tensor(const TensorGroup& group, std::string_view name, at::ScalarType type,
                                     at::Device device = at::kCPU);

}  // namespace kvscope
