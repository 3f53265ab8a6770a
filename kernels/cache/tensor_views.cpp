#include "kernels/cache/tensor_views.h"

#include "collectors/base/error.h"
#include "collectors/compute/compute_tensor.h"

#include <ATen/ops/empty.h>

namespace kvscope {

StridedHeads<const void*> heads_of(const at::Tensor& tensor, const char* what) {
  require(tensor.dim() == 4 && tensor.device().is_cpu(),
          "attention kernel: tensors are [rows, heads, tokens, head_dim] on the CPU");
  return strided_heads<const void*>(tensor, compute_type_of(tensor, what));
}

at::Tensor empty_output(const at::Tensor& q) {
  return at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
}

StridedHeads<void*> output_heads_of(const at::Tensor& tensor) {
  return strided_heads<void*>(tensor, compute_type_of(tensor, "the output"));
}

}  // namespace kvscope
