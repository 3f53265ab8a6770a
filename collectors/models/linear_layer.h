#pragma once

#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace kvscope {

/// y = x W^T + b in the element type of its weights; LibTorch accumulates in float32.
struct LinearLayer {
  at::Tensor weight;  ///< [out, in]
  at::Tensor bias;    ///< [out]

  /// @param x  [..., in], of any floating-point type
  /// @return   [..., out] in the type of the weights
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;
};

/// The layer of the tensors `name`.weight and `name`.bias.
[[nodiscard]] LinearLayer load_linear(const TensorGroup& group, const std::string& name, at::ScalarType type,
                                      at::Device device);

}  // namespace kvscope
