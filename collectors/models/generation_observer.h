#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace kvscope {

/// Sees intermediate values of a generation. The tensors may be overwritten afterwards: clone to keep.
/// Row-wise members are called from several threads at once.
struct GenerationObserver {
  /// x [N_k, C] float32: input of block 0.
  std::function<void(int step, std::int64_t row, const at::Tensor& x)> input;
  /// x [N_k, C] float32: output of block `layer`.
  std::function<void(int step, int layer, std::int64_t row, const at::Tensor& x)> block;
  /// map [heads, N_k, length] float32: probabilities of cross attention in block `layer`. Only of rows one by one.
  std::function<void(int step, int layer, std::int64_t row, const at::Tensor& map)> text_map;
  /// map [1, latent_width, height, width] float32: code map of a sample after the step.
  std::function<void(int step, std::int64_t sample, const at::Tensor& map)> code_map;
};

}  // namespace kvscope
