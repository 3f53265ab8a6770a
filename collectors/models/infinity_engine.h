#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/graph_backend.h"
#include "collectors/models/infinity_config.h"
#include "collectors/models/layer_storage.h"
#include "collectors/models/row_execution.h"
#include "collectors/models/scale_engine.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

namespace kvscope {

struct InfinityEngineOptions {
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
  ElementType compute_type = ElementType::kFloat32;  ///< float32 or bfloat16; on a GPU float16, too
  ComputeDevice device;                              ///< of weights, activations and the tensors caches see
  std::optional<RowExecution> rows;                  ///< default: one by one on a CPU, together on a GPU
  std::string image_size = "1M";                     ///< see infinity_schedule()
  double height_over_width = 1.0;                    ///< see infinity_schedule()
  bool unconditional_rows = true;                    ///< false: without them, for guidance 1 at every step
  LayerStorage layers = LayerStorage::kResident;     ///< streamed only on a CPU
  std::optional<MemoryBudget> memory;                ///< see EngineOptions
  std::ostream* progress = nullptr;                  ///< where streamed layers say how far they are; null: silent
  std::unique_ptr<GraphBackend> graphs;              ///< runs steps of rows together (StepGraphs); null: eager
  std::int64_t text_tokens = 0;  ///< most tokens of a prompt; 0: as many as the unconditional text in the file has
};

class InfinityModel;

/// Infinity: text-to-image next-scale prediction of words of bits (Han et al. 2024, arXiv 2412.04431).
///
/// A generation has two rows per sample, the conditional ones first, or where the engine goes without unconditional
/// rows these alone. The unconditional row of a sample reads as many tokens of the learned unconditional text as its
/// prompt has, or the request's negative prompt. Guidance is the same at every step unless the request lists it:
/// logits = (cfg * conditional + (1 - cfg) * unconditional) / temperature, with temperature 0.5 up to 32 bits a token
/// and 1 beyond unless the request says. Each bit is drawn on its own, with noise of its own (NoiseKey), top-k and
/// top-p acting on its two values.
///
/// Element types: see InfinityTransformer; the tokenizer computes in float32 always. Weights are mapped as VarEngine's.
class InfinityEngine : public ScaleEngine {
 public:
  explicit InfinityEngine(std::shared_ptr<const InfinityModel> model);
  ~InfinityEngine() override;

  [[nodiscard]] std::int64_t classes() const override { return 0; }

  [[nodiscard]] const InfinityConfig& config() const;

 private:
  std::shared_ptr<const InfinityModel> model_;
};

/// @throws Error  kBadInput if a file is missing, is not what it should be, or both do not belong
///                together; kUsage for a compute type that the device does not compute in or an impossible size;
///                kEnvironment for a GPU that is not there or cannot be used, and where there
///                is less memory than the budget needs.
[[nodiscard]] std::unique_ptr<InfinityEngine> load_infinity_engine(InfinityEngineOptions options);

}  // namespace kvscope
