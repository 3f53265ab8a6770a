#include "collectors/models/var_quantiser.h"

#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <utility>

namespace kvscope {

int phi_index(int step, int steps, int count) {
  if (count <= 1) return 0;
  const double place = steps > 1 ? static_cast<double>(step) / (steps - 1) : 0.0;
  const double first = (count == 4 ? 1.0 / 3.0 : 1.0 / 2.0) / count;
  const double last = 1.0 - first;
  const double spacing = (last - first) / (count - 1);
  int nearest = 0;
  double smallest = HUGE_VAL;
  for (int tick = 0; tick < count; ++tick) {
    const double at = tick + 1 == count ? last : tick * spacing + first;
    const double distance = std::abs(at - place);
    if (distance < smallest) {
      smallest = distance;
      nearest = tick;
    }
  }
  return nearest;
}

VarQuantiser::VarQuantiser(const TensorGroup& group, const VarTokenizerConfig& config, std::vector<int> sides,
                           at::Device device)
    : sides_(std::move(sides)) {
  embedding_ = load_tensor(group, "quantize.embedding.weight", at::kFloat, device);
  for (int i = 0; i < config.phi_count; ++i)
    phis_.push_back(load_convolution(group, phi_name(config.phi_sharing, i), device));
}

at::Tensor VarQuantiser::empty_map(std::int64_t samples) const {
  const LibTorchScope scope;
  return at::zeros({samples, embedding_.size(1), map_side(), map_side()}, embedding_.options());
}

at::Tensor VarQuantiser::contribution(const at::Tensor& tokens, int step) const {
  const std::int64_t side = sides_.at(static_cast<std::size_t>(step));
  const std::int64_t full = map_side();
  at::Tensor codes =
      at::embedding(embedding_, tokens).transpose(-2, -1).contiguous().view({-1, embedding_.size(1), side, side});
  if (step + 1 < steps()) codes = at::upsample_bicubic2d(codes, {full, full}, false);
  if (phis_.empty()) return codes;
  const Convolution& phi = phis_[static_cast<std::size_t>(phi_index(step, steps(), static_cast<int>(phis_.size())))];
  return codes.mul(0.5).add_(convolve(codes, phi).mul_(0.5));
}

void VarQuantiser::accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const {
  const LibTorchScope scope;
  map.add_(contribution(tokens, step));
}

at::Tensor VarQuantiser::input_map(const at::Tensor& map, int step) const {
  const LibTorchScope scope;
  const std::int64_t side = sides_.at(static_cast<std::size_t>(step));
  return at::adaptive_avg_pool2d(map, {side, side});
}

at::Tensor VarQuantiser::nearest_codes(const at::Tensor& map) const {
  const at::Tensor points = map.flatten(2)[0].t().contiguous();  // [N_k, latent_width]
  // |z - e|^2 = |z|^2 + |e|^2 - 2 z.e for all pairs at once.
  const at::Tensor squares = points.square().sum(1, true) + embedding_.square().sum(1);
  return at::addmm(squares, points, embedding_.t(), 1, -2).argmin(1);
}

std::vector<at::Tensor> VarQuantiser::quantise(const at::Tensor& features) const {
  const LibTorchScope scope;
  std::vector<at::Tensor> tokens;
  at::Tensor rest = features.clone();
  for (int step = 0; step < steps(); ++step) {
    tokens.push_back(nearest_codes(step + 1 < steps() ? input_map(rest, step) : rest));
    rest.sub_(contribution(tokens.back(), step));
  }
  return tokens;
}

}  // namespace kvscope
