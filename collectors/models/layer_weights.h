#pragma once

#include "collectors/models/block_weights.h"

#include <memory>
#include <vector>

namespace kvscope {

/// The weights of all blocks of a transformer, kept as BlockLayout::storage says.
///
/// Thread safety: const members may be called from several threads at once.
class LayerWeights {
 public:
  /// @param group  of a checkpoint that outlives this where layers are streamed, or weights refer to it
  LayerWeights(const TensorGroup& group, const BlockLayout& layout);
  ~LayerWeights();
  LayerWeights(LayerWeights&&) noexcept;
  LayerWeights& operator=(LayerWeights&&) noexcept;

  /// The weights of a layer, for as long as the result lives. Where layers are streamed they are read now, unless
  /// somebody still has them, and their memory is given back with the last such result.
  [[nodiscard]] std::shared_ptr<const BlockWeights> of(int layer) const;

 private:
  struct Stream;
  std::vector<std::shared_ptr<const BlockWeights>> resident_;  ///< all, or none where they are streamed
  std::unique_ptr<Stream> stream_;
};

}  // namespace kvscope
