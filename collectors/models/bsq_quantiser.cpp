#include "collectors/models/bsq_quantiser.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_scope.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/pixel_unshuffle.h>
#include <ATen/ops/upsample_trilinear3d.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace kvscope {
namespace {

/// 1/sqrt(width) after the published code's second normalisation: divided by the length that LibTorch finds for a code
/// of such values, in float32. That is one place in the last digit off for 32 bits.
float code_level(std::int64_t width) {
  const LibTorchScope scope;
  const auto value = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  const at::Tensor code = at::full({1, width}, value);
  return value / at::linalg_vector_norm(code, 2, at::IntArrayRef{-1}, true).item<float>();
}

/// [n, c, h, w] linearly resized to `grid`: four neighbours, no averaging. As a volume of depth one whose channels lie
/// next to each other, which is what the published code resizes: LibTorch's other ways round differently.
at::Tensor resize(const at::Tensor& map, std::int64_t h, std::int64_t w) {
  const at::Tensor volume = map.unsqueeze(2).contiguous(at::MemoryFormat::ChannelsLast3d);
  return at::upsample_trilinear3d(volume, {1, h, w}, false).squeeze(2).contiguous();
}

}  // namespace

BsqQuantiser::BsqQuantiser(std::int64_t code_width, int cells_per_side, const StepTable& steps, at::Device device)
    : code_width_(code_width), cells_per_side_(cells_per_side), device_(device), level_(code_level(code_width)) {
  for (int step = 0; step < steps.size(); ++step)
    grids_.push_back({std::int64_t{steps[step].h} * cells_per_side, std::int64_t{steps[step].w} * cells_per_side});
}

at::Tensor BsqQuantiser::empty_map(std::int64_t samples) const {
  const LibTorchScope scope;
  return at::zeros({samples, code_width_, grids_.back().h, grids_.back().w},
                   at::TensorOptions().dtype(at::kFloat).device(device_));
}

at::Tensor BsqQuantiser::codes(const at::Tensor& bits, int step) const {
  const LibTorchScope scope;
  const auto [h, w] = grid(step);
  at::Tensor cells =
      bits.reshape({-1, h / cells_per_side_, w / cells_per_side_, token_bits()}).permute({0, 3, 1, 2}).to(at::kFloat);
  if (cells_per_side_ > 1) cells = at::pixel_shuffle(cells, cells_per_side_);
  // Doubling is exact: the values are +level and -level.
  return cells.contiguous().mul_(2 * level_).sub_(level_);
}

at::Tensor BsqQuantiser::contribution(const at::Tensor& bits, int step) const {
  const at::Tensor cells = codes(bits, step);
  if (step + 1 == steps()) return cells;
  return resize(cells, grids_.back().h, grids_.back().w);
}

void BsqQuantiser::accumulate(at::Tensor& map, const at::Tensor& bits, int step) const {
  const LibTorchScope scope;
  map.add_(contribution(bits, step));
}

at::Tensor BsqQuantiser::tokens_of_cells(const at::Tensor& cells) const {
  const at::Tensor tokens = cells_per_side_ > 1 ? at::pixel_unshuffle(cells, cells_per_side_) : cells;
  return tokens.flatten(2).transpose(1, 2).contiguous();
}

at::Tensor BsqQuantiser::input_tokens(const at::Tensor& map, int step) const {
  const LibTorchScope scope;
  const auto [h, w] = grid(step);
  return tokens_of_cells(resize(map, h, w));
}

std::vector<at::Tensor> BsqQuantiser::quantise(const at::Tensor& features) const {
  const LibTorchScope scope;
  require(features.dim() == 4 && features.size(0) == 1 && features.size(1) == code_width_ &&
              features.size(2) == grids_.back().h && features.size(3) == grids_.back().w,
          "quantise: features do not have the code map's shape");
  std::vector<at::Tensor> bits;
  at::Tensor rest = features.clone();
  for (int step = 0; step < steps(); ++step) {
    const auto [h, w] = grid(step);
    const at::Tensor signs = at::gt(tokens_of_cells(at::adaptive_avg_pool2d(rest, {h, w})), 0).to(at::kByte);
    rest.sub_(contribution(signs, step));
    bits.push_back(signs[0]);
  }
  return bits;
}

}  // namespace kvscope
