#include "collectors/models/linear_layer.h"

#include "collectors/models/tensor_loading.h"

#include <ATen/ops/linear.h>

namespace kvscope {

at::Tensor LinearLayer::operator()(const at::Tensor& x) const {
  return at::linear(x.to(weight.scalar_type()), weight, bias);
}

LinearLayer load_linear(const TensorGroup& group, const std::string& name, at::ScalarType type, at::Device device) {
  return {load_tensor(group, name + ".weight", type, device), load_tensor(group, name + ".bias", type, device)};
}

}  // namespace kvscope
