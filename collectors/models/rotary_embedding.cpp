#include "collectors/models/rotary_embedding.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>

namespace kvscope {
namespace {

constexpr double kBase = 10000.0;

/// Places of `count` tokens along an axis of `largest` places, [count] float32.
at::Tensor places(int count, int largest) {
  return at::arange(count, at::kFloat).mul(largest).div(count).round();  // round() takes ties to even
}

}  // namespace

Rotation grid_rotation(TokenGrid grid, TokenGrid largest, int head_dim, at::Device device) {
  if (head_dim < 4 || head_dim % 4 != 0)
    throw usage_error("rotary embedding: heads of {} channels, expected a multiple of 4", head_dim);
  const LibTorchScope scope;
  const at::Tensor exponents = at::arange(0, head_dim / 2, 2, at::kFloat).div(head_dim / 2);
  const at::Tensor frequencies = at::pow(kBase, exponents).reciprocal();  // [head_dim / 4]
  const at::Tensor y = places(grid.height, largest.height).unsqueeze(1) * frequencies;
  const at::Tensor x = places(grid.width, largest.width).unsqueeze(1) * frequencies;
  const std::int64_t quarter = head_dim / 4;
  const at::Tensor angles = at::cat({y.unsqueeze(1).expand({grid.height, grid.width, quarter}),
                                     x.unsqueeze(0).expand({grid.height, grid.width, quarter})},
                                    -1)
                                .flatten(0, 1);  // [N_k, head_dim / 2]
  return {.cosine = angles.cos().to(device), .sine = angles.sin().to(device)};
}

at::Tensor rotated(const at::Tensor& x, const Rotation& rotation) {
  const at::Tensor pairs = x.unflatten(-1, at::IntArrayRef{-1, 2});
  const at::Tensor a = pairs.select(-1, 0);
  const at::Tensor b = pairs.select(-1, 1);
  // [N_k, 1, 1, head_dim / 2]
  const at::Tensor c = rotation.cosine.unsqueeze(1).unsqueeze(1);
  const at::Tensor s = rotation.sine.unsqueeze(1).unsqueeze(1);
  return at::stack({c * a - s * b, s * a + c * b}, -1).flatten(-2);
}

}  // namespace kvscope
