#pragma once

#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// How outputs of attention are kept until they are compared.
enum class OutputKeeping {
  kAsReturned,  ///< the tensors themselves: no copy
  kCopied,      ///< copies in memory that stays where it is, so that the calls can be captured (step_graphs.h)
};

/// The outputs of every layer at the latest step.
class KeptOutputs {
 public:
  KeptOutputs(OutputKeeping keeping, int layers) : keeping_(keeping), layers_(static_cast<std::size_t>(layers)) {}

  [[nodiscard]] OutputKeeping keeping() const noexcept { return keeping_; }

  /// As KvCache::begin().
  void begin(std::int64_t rows);
  /// @param output  [rows, heads, N_k, head_dim]
  void keep(int layer, const Step& step, const at::Tensor& output);
  /// As KvCache::replay_on_host().
  void replay_on_host(const Step& step);
  /// As KvCache::capturable_memory(), of these copies together with `other` memory; null if that is, or without copies.
  [[nodiscard]] std::shared_ptr<const void> memory_with(const std::shared_ptr<const void>& other) const;

  /// Undefined before the layer's first output.
  [[nodiscard]] const at::Tensor& of(int layer) const { return layers_.at(static_cast<std::size_t>(layer)).output; }

 private:
  struct Layer {
    at::Tensor output;
    at::Tensor memory;  ///< of copies: the largest step's fits
  };
  /// Where the copy of a step's output lies.
  static void show(Layer& layer, std::int64_t n_query, at::IntArrayRef like);

  OutputKeeping keeping_;
  std::int64_t rows_ = 0;
  std::vector<Layer> layers_;
  // The identity that memory_with() gave last, and for what; null after memory of this object moved.
  mutable std::shared_ptr<const void> other_;
  mutable std::shared_ptr<const void> memory_;
};

}  // namespace kvscope
