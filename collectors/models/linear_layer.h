#pragma once

#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace kvscope {

/// x W^T + b in the type of both, summed in float32.
/// @param x       [..., in]
/// @param weight  [out, in]
/// @param bias    [out], or undefined
[[nodiscard]] at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// The same of bfloat16 numbers by products in float32, which are exact, some rows of the weights at a time: what
/// linear_product() does where LibTorch has no fast kernel (x86 without AVX-512), in a third to a seventh of its time.
[[nodiscard]] at::Tensor widened_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// y = x W^T + b in the element type of its weights: linear_product().
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
