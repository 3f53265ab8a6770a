#include "collectors/models/scale_model.h"

#include "collectors/base/parallel.h"
#include "collectors/models/image_pixels.h"
#include "collectors/models/libtorch_scope.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>
#include <utility>

namespace kvscope {

ScaleModel::ScaleModel(ModelInfo info, StepTable steps, RowExecution rows)
    : info_(std::move(info)), steps_(std::move(steps)), rows_(rows) {}

ScaleModel::~ScaleModel() = default;

void ScaleModel::use_graphs(std::unique_ptr<GraphBackend> backend) {
  graphs_ = backend == nullptr ? nullptr : std::make_unique<StepGraphs>(std::move(backend));
}

/// The bounds on |logit| that unit lengths guarantee are widened by what rounding q and k to the type of the cache can
/// add (half a unit in the last place each, and the sum's own rounding).
void ScaleModel::describe_sites() {
  softmax_scale_ = {static_cast<float>(info_.softmax_scale.front())};
  // bfloat16 rounds by up to 2^-9, float16 by 2^-12.
  const float slack = info_.key_type == ElementType::kBFloat16  ? 1.01F
                      : info_.key_type == ElementType::kFloat16 ? 1.002F
                                                                : 1.0001F;
  for (int layer = 0; layer < blocks().depth(); ++layer) {
    logit_bounds_.push_back(blocks().temperatures(layer));
    for (float& bound : logit_bounds_.back()) bound *= slack;
  }
}

AttentionSite ScaleModel::site(int layer) const {
  return {
      .layer = layer, .softmax_scale = softmax_scale_, .logit_bound = logit_bounds_[static_cast<std::size_t>(layer)]};
}

double ScaleModel::temperature(const GenerationRequest& request, int step) const {
  if (!request.temperature_of_step.empty()) return request.temperature_of_step[static_cast<std::size_t>(step)];
  return request.temperature.value_or(default_temperature());
}

void ScaleModel::for_each_sample(std::int64_t samples, const std::function<void(std::int64_t)>& body) const {
  if (device().is_cpu()) return parallel_for(samples, body);
  for (std::int64_t sample = 0; sample < samples; ++sample) body(sample);
}

std::vector<std::shared_ptr<const RowCondition>> ScaleModel::conditions_of(const std::vector<std::int64_t>& keys,
                                                                           const BeginCondition& begin) const {
  std::vector<std::int64_t> distinct = keys;
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  std::vector<TransformerBlocks::UnfinishedCondition> unfinished(distinct.size());
  const auto for_each_distinct = [&](const auto& body) {
    for_each_sample(std::ssize(distinct), [&](std::int64_t i) { body(static_cast<std::size_t>(i)); });
  };
  for_each_distinct([&](std::size_t i) { unfinished[i] = begin(distinct[i]); });
  for (int layer = 0; layer < blocks().depth(); ++layer) {
    const auto one_reading = blocks().weights(layer);
    for_each_distinct([&](std::size_t i) { blocks().add_layer(layer, unfinished[i]); });
  }
  std::map<std::int64_t, std::shared_ptr<const RowCondition>> of_key;
  for (std::size_t i = 0; i < distinct.size(); ++i)
    of_key[distinct[i]] = std::make_shared<const RowCondition>(std::move(unfinished[i].condition));
  std::vector<std::shared_ptr<const RowCondition>> conditions;
  for (const std::int64_t key : keys) conditions.push_back(of_key.at(key));
  return conditions;
}

at::Tensor ScaleModel::render(std::span<const at::Tensor> maps) const {
  const LibTorchScope scope;
  const auto [height, width] = image_size();
  const auto samples = static_cast<std::int64_t>(maps.size());
  at::Tensor images = at::empty({samples, height, width, 3}, at::kByte);
  for_each_sample(samples, [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    images[sample].copy_(pixels_of_image(decode(maps[static_cast<std::size_t>(sample)])));
  });
  return images;
}

}  // namespace kvscope
