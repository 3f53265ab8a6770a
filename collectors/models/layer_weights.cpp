#include "collectors/models/layer_weights.h"

#include "collectors/models/libtorch_scope.h"

#include <mutex>
#include <string_view>

namespace kvscope {

struct LayerWeights::Stream {
  Stream(const TensorGroup& source, const BlockLayout& block_layout)
      : group(source), layout(block_layout), in_use(block_layout.blocks.size()), tensors(block_layout.blocks.size()) {
    for (const std::string_view name : group.names()) {
      for (std::size_t layer = 0; layer < layout.blocks.size(); ++layer) {
        if (name.starts_with(layout.blocks[layer])) tensors[layer].push_back(group.find(name));
      }
    }
  }

  std::shared_ptr<const BlockWeights> load(int layer) const {
    const LibTorchScope scope;
    auto weights = std::make_unique<const BlockWeights>(load_block_weights(group, layout, layer));
    // Who still uses them may outlive this object, but not the checkpoint.
    const auto give_back = [checkpoint = &group.checkpoint(),
                            list = tensors[static_cast<std::size_t>(layer)]](const BlockWeights* used) {
      delete used;
      for (const CheckpointTensor* tensor : list) checkpoint->release(*tensor);
    };
    return {weights.release(), give_back};
  }

  TensorGroup group;
  BlockLayout layout;
  std::mutex mutex;
  std::vector<std::weak_ptr<const BlockWeights>> in_use;      ///< of each layer
  std::vector<std::vector<const CheckpointTensor*>> tensors;  ///< the same
};

LayerWeights::LayerWeights(const TensorGroup& group, const BlockLayout& layout) {
  if (layout.storage == LayerStorage::kStreamed) {
    stream_ = std::make_unique<Stream>(group, layout);
    return;
  }
  for (int layer = 0; layer < static_cast<int>(layout.blocks.size()); ++layer)
    resident_.push_back(std::make_shared<const BlockWeights>(load_block_weights(group, layout, layer)));
}

LayerWeights::~LayerWeights() = default;
LayerWeights::LayerWeights(LayerWeights&&) noexcept = default;
LayerWeights& LayerWeights::operator=(LayerWeights&&) noexcept = default;

std::shared_ptr<const BlockWeights> LayerWeights::of(int layer) const {
  const auto index = static_cast<std::size_t>(layer);
  if (stream_ == nullptr) return resident_.at(index);
  const std::lock_guard lock(stream_->mutex);
  std::weak_ptr<const BlockWeights>& in_use = stream_->in_use.at(index);
  if (auto weights = in_use.lock()) return weights;
  auto weights = stream_->load(layer);
  in_use = weights;
  return weights;
}

}  // namespace kvscope
