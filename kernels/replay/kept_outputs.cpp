#include "kernels/replay/kept_outputs.h"

#include "collectors/base/error.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace kvscope {

void KeptOutputs::begin(std::int64_t rows) {
  if (rows == rows_ && keeping_ == OutputKeeping::kCopied) return;
  rows_ = rows;
  for (Layer& layer : layers_) layer = {};
  memory_.reset();
}

void KeptOutputs::keep(int layer, const Step& step, const at::Tensor& output) {
  Layer& kept = layers_.at(static_cast<std::size_t>(layer));
  if (keeping_ == OutputKeeping::kAsReturned) {
    kept.output = output;
    return;
  }
  require(step.table != nullptr && output.dim() == 4, "KeptOutputs: outputs are [rows, heads, tokens, head_dim]");
  if (!kept.memory.defined()) {
    std::int64_t most = 0;
    for (int i = 0; i < step.table->size(); ++i) most = std::max(most, step.table->n_query(i));
    kept.memory = at::empty({output.size(0) * output.size(1) * most * output.size(3)}, output.options());
    memory_.reset();
  }
  show(kept, output.size(2), output.sizes());
  kept.output.copy_(output);
}

void KeptOutputs::show(Layer& layer, std::int64_t n_query, at::IntArrayRef like) {
  const std::int64_t size = like[0] * like[1] * n_query * like[3];
  layer.output = layer.memory.narrow(0, 0, size).view({like[0], like[1], n_query, like[3]});
}

void KeptOutputs::replay_on_host(const Step& step) {
  for (Layer& layer : layers_) {
    const at::Tensor latest = layer.output;
    show(layer, step.table->n_query(step.index), latest.sizes());
  }
}

std::shared_ptr<const void> KeptOutputs::memory_with(const std::shared_ptr<const void>& other) const {
  if (other == nullptr || keeping_ == OutputKeeping::kAsReturned) return nullptr;
  if (memory_ == nullptr || other != other_) {
    other_ = other;
    memory_ = std::make_shared<char>();
  }
  return memory_;
}

}  // namespace kvscope
