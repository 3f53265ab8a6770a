#include "kernels/cache/compressed_kv_cache.h"

#include "collectors/base/error.h"
#include "collectors/compute/compute_tensor.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/cache/cache_checks.h"
#include "kernels/cache/head_candidates.h"
#include "kernels/cache/layer_cache.h"
#include "kernels/cache/tensor_views.h"

#include <utility>

namespace kvscope {

struct CompressedKvCache::Implementation {
  explicit Implementation(Plan the_plan) : plan(std::move(the_plan)), lifetimes(plan.steps, plan.keeps_last_step) {}

  LayerCache& layer_for(const AttentionSite& site, const Step& step, ElementType key_type, ElementType value_type);

  const Plan plan;
  const TokenLifetimes lifetimes;
  std::int64_t rows = 0;
  std::vector<std::unique_ptr<LayerCache>> layers;
  CacheSeconds seconds;
};

LayerCache& CompressedKvCache::Implementation::layer_for(const AttentionSite& site, const Step& step,
                                                         ElementType key_type, ElementType value_type) {
  auto& layer = layers.at(static_cast<std::size_t>(site.layer));
  const bool fits = layer != nullptr && layer->key_type() == key_type && layer->value_type() == value_type;
  if (!fits) {
    require(step.index == 0, "CompressedKvCache: the element types changed within a run");
    layer = std::make_unique<LayerCache>(plan, lifetimes, site.layer, rows, key_type, value_type);
  }
  require(layer->next_step() == step.index, "CompressedKvCache: steps ascend by one");
  return *layer;
}

CompressedKvCache::CompressedKvCache(Plan plan) {
  check_plan(plan, "plan");
  implementation_ = std::make_unique<Implementation>(std::move(plan));
}

CompressedKvCache::~CompressedKvCache() = default;

void CompressedKvCache::begin(std::int64_t rows) {
  require(rows >= 1, "CompressedKvCache: at least one row");
  Implementation& self = *implementation_;
  if (rows != self.rows) self.layers.clear();
  self.layers.resize(static_cast<std::size_t>(self.plan.model.layers));
  self.rows = rows;
  self.seconds = {};
  for (const auto& layer : self.layers) {
    if (layer) layer->clear();
  }
}

at::Tensor CompressedKvCache::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                     const at::Tensor& k, const at::Tensor& v) {
  const LibTorchScope scope;
  Implementation& self = *implementation_;
  check_call(self.plan, self.rows, site, step, q, k, v);
  const at::Tensor queries = with_adjacent_channels(q);
  const at::Tensor keys = with_adjacent_channels(k);
  const at::Tensor values = with_adjacent_channels(v);
  const StridedHeads<const void*> key_heads = heads_of(keys, "k");
  const StridedHeads<const void*> value_heads = heads_of(values, "v");
  LayerCache& layer = self.layer_for(site, step, key_heads.type, value_heads.type);
  at::Tensor output = empty_output(q);
  layer.attend({.step = step.index,
                .rows = self.rows,
                .heads = q.size(1),
                .kv_heads = k.size(1),
                .n_query = q.size(2),
                .head_dim = q.size(3),
                .softmax_scale = site.softmax_scale,
                .logit_bound = site.logit_bound,
                .queries = heads_of(queries, "q"),
                .keys = key_heads,
                .values = value_heads,
                .output = output_heads_of(output)},
               self.seconds);
  return output;
}

std::int64_t CompressedKvCache::held_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& layer : implementation_->layers) bytes += layer ? layer->held_bytes() : 0;
  return bytes;
}

std::int64_t CompressedKvCache::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& layer : implementation_->layers) bytes += layer ? layer->allocated_bytes() : 0;
  return bytes;
}

StoredCodes CompressedKvCache::stored_codes() const {
  StoredCodes codes;
  for (const auto& layer : implementation_->layers) {
    if (layer) codes += layer->stored_codes();
  }
  return codes;
}

std::optional<double> CompressedKvCache::selection_seconds() const {
  return implementation_->seconds.selection;
}
std::optional<double> CompressedKvCache::attention_seconds() const {
  return implementation_->seconds.attention;
}

std::vector<std::int32_t> CompressedKvCache::attended_positions(int layer, std::int64_t row, int head) const {
  const auto& layers = implementation_->layers;
  require(layer >= 0 && layer < static_cast<int>(layers.size()) && layers[static_cast<std::size_t>(layer)] != nullptr,
          "CompressedKvCache: no such layer yet");
  return layers[static_cast<std::size_t>(layer)]->attended_positions(row, head);
}

}  // namespace kvscope
