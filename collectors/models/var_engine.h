#pragma once

#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/engine.h"
#include "collectors/models/graph_backend.h"
#include "collectors/models/row_execution.h"
#include "collectors/models/var_config.h"
#include "collectors/models/var_tokenizer_config.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
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
  std::unique_ptr<GraphBackend> graphs;              ///< runs steps of rows together (StepGraphs); null: eager
};

/// Sees intermediate values of a generation. The tensors may be overwritten afterwards: clone to keep.
/// Row-wise members are called from several threads at once.
struct VarObserver {
  /// x [N_k, C] float32: input of block 0.
  std::function<void(int step, std::int64_t row, const at::Tensor& x)> input;
  /// x [N_k, C] float32: output of block `layer`.
  std::function<void(int step, int layer, std::int64_t row, const at::Tensor& x)> block;
  /// map [1, latent_width, P, P] float32: code map of a sample after the step.
  std::function<void(int step, std::int64_t sample, const at::Tensor& map)> code_map;
};

struct VarModel;

/// VAR: class-conditional next-scale prediction (Tian et al. 2024, arXiv 2404.02905).
///
/// A generation always has two rows per sample, the conditional ones first. Guidance at step s is
/// t = guidance * s / (K - 1), logits = (1 + t) * conditional - t * unconditional.
///
/// Element types: see VarTransformer; the tokenizer computes in float32 always. On the CPU weights are mapped from
/// the files, and copied only where the compute type differs from the file's. On a GPU all rows of a batch go
/// through every operation together, so what holds of bits on the CPU holds within rounding there (RowExecution).
class VarEngine : public Engine {
 public:
  explicit VarEngine(std::shared_ptr<const VarModel> model);
  ~VarEngine() override;

  [[nodiscard]] const ModelInfo& model() const override;
  [[nodiscard]] const StepTable& steps() const override;
  [[nodiscard]] std::int64_t classes() const override;
  [[nodiscard]] std::int64_t vocabulary() const override;
  [[nodiscard]] ComputeDevice device() const override;
  [[nodiscard]] bool uses_graphs() const override;
  [[nodiscard]] std::unique_ptr<GenerationSession> start(const GenerationRequest& request) const override;
  [[nodiscard]] std::unique_ptr<GenerationSession> start(const GenerationRequest& request, VarObserver observer) const;

  [[nodiscard]] const VarConfig& config() const;
  [[nodiscard]] const VarTokenizerConfig& tokenizer_config() const;
  [[nodiscard]] std::array<std::int64_t, 2> image_size() const override { return {image_side(), image_side()}; }
  /// Sides of the images in pixels.
  [[nodiscard]] std::int64_t image_side() const;

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
///                kEnvironment for a GPU that is not there or cannot be used.
[[nodiscard]] std::unique_ptr<VarEngine> load_var_engine(VarEngineOptions options);

}  // namespace kvscope
