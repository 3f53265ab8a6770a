#include "collectors/models/var_model.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/models/image_pixels.h"
#include "collectors/models/libtorch_scope.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace kvscope {

void VarModel::for_each_sample(std::int64_t samples, const std::function<void(std::int64_t)>& body) const {
  if (device().is_cpu()) return parallel_for(samples, body);
  for (std::int64_t sample = 0; sample < samples; ++sample) body(sample);
}

at::Tensor render(const VarModel& model, std::span<const at::Tensor> maps) {
  const LibTorchScope scope;
  const std::int64_t side = model.image_side();
  const auto samples = static_cast<std::int64_t>(maps.size());
  at::Tensor images = at::empty({samples, side, side, 3}, at::kByte);
  model.for_each_sample(samples, [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    images[sample].copy_(pixels_of_image(model.tokenizer.decode(maps[static_cast<std::size_t>(sample)])));
  });
  return images;
}

void check_tokens(const VarModel& model, const at::Tensor& tokens, std::int64_t samples, int step) {
  const std::int64_t count = model.steps.n_query(step);
  if (!tokens.defined() || tokens.scalar_type() != at::kLong || tokens.dim() != 2 || tokens.size(0) != samples ||
      tokens.size(1) != count) {
    throw usage_error("tokens of step {}: expected [{}, {}] of int64", step, samples, count);
  }
  const at::Tensor values = tokens.contiguous();
  const std::int64_t* begin = values.const_data_ptr<std::int64_t>();
  const std::int64_t vocabulary = model.transformer.config().vocabulary;
  const auto* bad =
      std::find_if(begin, begin + values.numel(), [&](std::int64_t token) { return token < 0 || token >= vocabulary; });
  if (bad != begin + values.numel())
    throw usage_error("tokens of step {}: {} is outside 0..{}", step, *bad, vocabulary - 1);
}

}  // namespace kvscope
