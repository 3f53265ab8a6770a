#include "collectors/compute/compute_tensor.h"

#include "collectors/base/error.h"

namespace kvscope {

ElementType compute_type_of(const at::Tensor& tensor, const char* what) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ElementType::kFloat32;
    case at::kHalf:
      return ElementType::kFloat16;
    case at::kBFloat16:
      return ElementType::kBFloat16;
    default:
      throw usage_error("attention: {} has an element type other than float32, float16 or bfloat16", what);
  }
}

at::Tensor with_adjacent_channels(const at::Tensor& tensor) {
  return tensor.stride(-1) == 1 || tensor.size(-1) == 1 ? tensor : tensor.contiguous();
}

}  // namespace kvscope
