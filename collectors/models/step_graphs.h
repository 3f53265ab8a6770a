#pragma once

#include "collectors/models/graph_backend.h"
#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace kvscope {

/// Runs the steps of generations from graphs where it can: launching a step's hundreds of small kernels one by one
/// costs a GPU more time than the kernels of a small step take.
///
/// A graph belongs to one step and to the memory of one cache (KvCache::capturable_memory()), so all shapes are fixed.
/// The first time that a step meets a memory it runs eagerly, which lets libraries initialise themselves and brings
/// workspaces to their size; the second time it is captured; from then on it is replayed. What differs from one
/// generation to the next is copied into buffers before a replay: a graph reads nothing else of the host's. So graphs
/// serve whoever keeps a cache from batch to batch; with a cache of its own for every batch nothing is ever captured.
///
/// A cache that cannot be captured runs eagerly every time, and so do inputs of other shapes than the first that met
/// its memory.
///
/// Cost: one copy each of the step's input and output, per generation one of its constants; device memory for these
/// buffers (largest step) per cache, and for the intermediate results of the largest step once.
///
/// Thread safety: none.
class StepGraphs {
 public:
  explicit StepGraphs(std::unique_ptr<GraphBackend> backend);
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  /// What a step reads beside the model's weights and the cache.
  struct Inputs {
    std::uint64_t generation = 0;              ///< from begin_generation()
    const std::vector<at::Tensor>& constants;  ///< the same at every step of the generation; may be undefined
    const at::Tensor& input;                   ///< [rows, N_k, width], of this step
  };
  /// Computes a step from `constants` and `input` as in Inputs, with one call of attend() per layer:
  /// -> [rows, N_k, any width]. It must not write to them.
  using Work = std::function<at::Tensor(const std::vector<at::Tensor>& constants, const at::Tensor& input)>;

  /// A number that no other generation has.
  [[nodiscard]] std::uint64_t begin_generation() { return ++generations_; }

  /// What `work` returns for `inputs`, by whichever way. Valid until the next run() with the same cache.
  /// @param work  must depend on nothing else that differs between calls with the same cache, step and shapes
  /// @throws Error  what `work` throws; kEnvironment in one line if the device cannot record or replay it.
  [[nodiscard]] at::Tensor run(KvCache& cache, const Step& step, const Inputs& inputs, const Work& work);

 private:
  struct OfMemory;
  [[nodiscard]] OfMemory& of(const std::shared_ptr<const void>& memory, const Step& step, const Inputs& inputs);
  [[nodiscard]] std::unique_ptr<DeviceGraph> capture(OfMemory& graphs, const Step& step, const Work& work) const;

  std::unique_ptr<GraphBackend> backend_;
  std::vector<std::unique_ptr<OfMemory>> memories_;
  std::uint64_t generations_ = 0;
};

}  // namespace kvscope
