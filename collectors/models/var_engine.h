#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/generation_observer.h"
#include "collectors/models/graph_backend.h"
#include "collectors/models/layer_storage.h"
#include "collectors/models/row_execution.h"
#include "collectors/models/scale_engine.h"
#include "collectors/models/var_config.h"
#include "collectors/models/var_tokenizer_config.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

namespace kvscope {

struct VarEngineOptions {
  std::filesystem::path transformer;
  std::filesystem::path tokenizer;
  ElementType compute_type = ElementType::kFloat32;  ///< float32 or bfloat16; on a GPU float16, too
  ComputeDevice device;                              ///< of weights, activations and the tensors caches see
  std::optional<RowExecution> rows;                  ///< default: one by one on a CPU, together on a GPU
  std::vector<int> scales;                           ///< see VarConfigOptions
  int heads = 0;                                     ///< see VarConfigOptions
  LayerStorage layers = LayerStorage::kResident;     ///< streamed only on a CPU
  std::optional<MemoryBudget> memory;                ///< see EngineOptions
  std::ostream* progress = nullptr;                  ///< where streamed layers say how far they are; null: silent
  std::unique_ptr<GraphBackend> graphs;              ///< runs steps of rows together (StepGraphs); null: eager
};

class VarModel;

/// VAR: class-conditional next-scale prediction (Tian et al. 2024, arXiv 2404.02905).
///
/// A generation always has two rows per sample, the conditional ones first. Guidance at step s is
/// t = guidance * s / (K - 1), logits = (1 + t) * conditional - t * unconditional.
///
/// Element types: see TransformerBlocks; the tokenizer computes in float32 always. On the CPU weights are mapped from
/// the files, and copied only where the compute type differs from the file's. On a GPU all rows of a batch go
/// through every operation together, so what holds of bits on the CPU holds within rounding there (RowExecution).
class VarEngine : public ScaleEngine {
 public:
  explicit VarEngine(std::shared_ptr<const VarModel> model);
  ~VarEngine() override;

  [[nodiscard]] std::int64_t classes() const override;

  [[nodiscard]] const VarConfig& config() const;
  [[nodiscard]] const VarTokenizerConfig& tokenizer_config() const;
  /// Sides of the images in pixels.
  [[nodiscard]] std::int64_t image_side() const { return image_size()[0]; }

  /// Tokens of every step, [batch, N_k] int64 each, of images [batch, side, side, 3] uint8.
  /// @throws Error  kUsage for images of another size or a tokenizer without encoder.
  [[nodiscard]] std::vector<at::Tensor> encode(const at::Tensor& images) const;
  /// The image of given tokens, as a session would show it: [batch, side, side, 3] uint8.
  /// @throws Error  kUsage for tokens of other shapes or outside the vocabulary.
  [[nodiscard]] at::Tensor decode(const std::vector<at::Tensor>& tokens) const;

 private:
  std::shared_ptr<const VarModel> model_;
};

/// @throws Error  kBadInput if a file is missing, is not what it should be, or both do not belong
///                together; kUsage for a compute type that the device does not compute in or impossible scales;
///                kEnvironment for a GPU that is not there or cannot be used, and where there
///                is less memory than the budget needs.
[[nodiscard]] std::unique_ptr<VarEngine> load_var_engine(VarEngineOptions options);

}  // namespace kvscope
