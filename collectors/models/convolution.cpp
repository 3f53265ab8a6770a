#include "collectors/models/convolution.h"

#include "collectors/models/tensor_loading.h"

#include <ATen/ops/conv2d.h>

namespace kvscope {

Convolution load_convolution(const TensorGroup& group, const std::string& name, at::Device device) {
  return {load_tensor(group, name + ".weight", at::kFloat, device),
          load_tensor(group, name + ".bias", at::kFloat, device)};
}

at::Tensor convolve(const at::Tensor& x, const Convolution& convolution) {
  const std::int64_t padding = convolution.weight.size(2) / 2;
  return at::conv2d(x, convolution.weight, convolution.bias, 1, padding);
}

}  // namespace kvscope
