#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/engine.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/graph_backend.h"
#include "collectors/models/layer_storage.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace kvscope {

/// Which model to load and how to compute; what a family does not know it ignores.
struct EngineOptions {
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
  ElementType compute_type = ElementType::kFloat32;  ///< float32, bfloat16 or (GPU) float16; also of the KV cache
  ComputeDevice device;                              ///< of weights, activations and the KV cache
  std::vector<int> scales;         ///< sides of the scales; needed only where the weights do not tell them
  int heads = 0;                   ///< heads of a model whose weights do not tell them; 0: the family's published rule
  std::string image_size = "1M";   ///< Infinity: see infinity_schedule()
  double height_over_width = 1.0;  ///< Infinity: see infinity_schedule()
  bool unconditional_rows = true;  ///< Infinity: see InfinityEngineOptions
  LayerStorage layers = LayerStorage::kResident;  ///< streamed only on a CPU
  std::optional<MemoryBudget> memory;             ///< checked on a CPU before weights are read, in the type and with
                                                  ///< the layers of these options; nothing: not checked
  std::ostream* progress = nullptr;               ///< where streamed layers say how far they are; null: silent
  std::unique_ptr<GraphBackend> graphs;           ///< of `device`, to run steps from (step_graphs.h); null: eager
};

/// Loads a model of whatever family its tensor names say.
/// @throws Error  kBadInput if a file is no model, of a family that kvscope does not run, or its tensors do
///                not fit; kUsage for a compute type or scales that are impossible; kEnvironment for a GPU that is not
///                there or cannot be used, and where there is less memory than the budget needs.
[[nodiscard]] std::unique_ptr<Engine> load_engine(EngineOptions options);

}  // namespace kvscope
