#pragma once

namespace kvscope {

/// Where the weights of a model's layers are while it generates.
enum class LayerStorage {
  kResident,  ///< all in memory
  /// In the mapped file: those of a layer are read when a batch comes to it and given back when it has passed, in every
  /// step anew. Memory holds two layers at most; no bit of a result changes.
  kStreamed,
};

}  // namespace kvscope
