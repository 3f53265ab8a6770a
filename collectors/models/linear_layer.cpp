#include "collectors/models/linear_layer.h"

#include "collectors/models/tensor_loading.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <vector>

namespace kvscope {
namespace {

// A few megabytes of float32 for the widest layers: they stay in the cache between widening and multiplying.
constexpr std::int64_t kWidenedRows = 256;
// With fewer, reading the weights takes as long as multiplying, and widening comes on top.
constexpr std::int64_t kFewestTokens = 4;

/// Whether LibTorch multiplies bfloat16 one number at a time: oneDNN, which it asks first, wants these instructions.
bool multiplies_bfloat16_slowly() {
#if defined(__x86_64__)
  static const bool slow = __builtin_cpu_supports("avx512bw") == 0 || __builtin_cpu_supports("avx512vl") == 0 ||
                           __builtin_cpu_supports("avx512dq") == 0;
  return slow;
#else
  return false;
#endif
}

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const bool may_widen = weight.scalar_type() == at::kBFloat16 && weight.is_cpu() && multiplies_bfloat16_slowly();
  if (may_widen && x.numel() >= kFewestTokens * weight.size(1)) return widened_product(x, weight, bias);
  return at::linear(x, weight, bias);
}

at::Tensor widened_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor widened = x.to(at::kFloat);
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < weight.size(0); first += kWidenedRows) {
    const std::int64_t rows = std::min(kWidenedRows, weight.size(0) - first);
    const at::Tensor of_rows = bias.defined() ? bias.narrow(0, first, rows).to(at::kFloat) : at::Tensor();
    parts.push_back(
        at::linear(widened, weight.narrow(0, first, rows).to(at::kFloat), of_rows).to(weight.scalar_type()));
  }
  return at::cat(parts, -1);
}

at::Tensor LinearLayer::operator()(const at::Tensor& x) const {
  return linear_product(x.to(weight.scalar_type()), weight, bias);
}

LinearLayer load_linear(const TensorGroup& group, const std::string& name, at::ScalarType type, at::Device device) {
  return {load_tensor(group, name + ".weight", type, device), load_tensor(group, name + ".bias", type, device)};
}

}  // namespace kvscope
