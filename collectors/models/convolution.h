#pragma once

#include "collectors/models/tensor_group.h"

#include <ATen/core/Tensor.h>

#include <string>

namespace kvscope {

/// Weights [out, in, k, k], k odd, and biases [out] of a convolution over images.
struct Convolution {
  at::Tensor weight;
  at::Tensor bias;
};

/// The tensors NAME.weight and NAME.bias in float32.
[[nodiscard]] Convolution load_convolution(const TensorGroup& group, const std::string& name, at::Device device);

/// [n, in, h, w] -> [n, out, h, w]; what lies beyond the border counts as zero.
[[nodiscard]] at::Tensor convolve(const at::Tensor& x, const Convolution& convolution);

}  // namespace kvscope
