#pragma once

#include "collectors/models/token_grid.h"

#include <ATen/core/Tensor.h>

namespace kvscope {

/// Angles by which the queries and keys of one step are turned.
struct Rotation {
  at::Tensor cosine;  ///< [N_k, head_dim / 2] float32
  at::Tensor sine;    ///< the same
};

/// Two-dimensional rotary embedding (Su et al. 2021, arXiv 2104.09864) of a scale of Infinity, whose places are those
/// of the largest grid: token (i, j) of `grid` stands at y = round(i U / height), x = round(j V / width) of the grid
/// U x V, in float32 and with ties to even. The first head_dim / 4 angles are y f_j, the others x f_j, with
/// f_j = 10000^(-4 j / head_dim), j = 0 .. head_dim / 4 - 1.
/// @param largest  U x V, the last grid of the aspect ratio's schedule for one megapixel, whatever is generated
/// @throws Error   kUsage if head_dim is not a multiple of 4.
[[nodiscard]] Rotation grid_rotation(TokenGrid grid, TokenGrid largest, int head_dim, at::Device device = at::kCPU);

/// Turns neighbouring pairs: (a, b) -> (c a - s b, s a + c b).
/// @param x  [..., N_k, n, heads, head_dim] float32; n is 2 for queries and keys side by side
[[nodiscard]] at::Tensor rotated(const at::Tensor& x, const Rotation& rotation);

}  // namespace kvscope
