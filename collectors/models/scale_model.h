#pragma once

#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/models/engine.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/row_condition.h"
#include "collectors/models/row_execution.h"
#include "collectors/models/step_graphs.h"
#include "collectors/models/transformer_blocks.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

namespace kvscope {

/// A loaded model of next-scale prediction, as its sessions see it: what VAR and Infinity do differently around the
/// same blocks and the same loop over scales. Shared by an engine and its sessions.
///
/// A step is  x = first_input() or next_input();  the blocks with attention over the cache;  logits;  guidance;
/// tokens;  accumulate().
///
/// Thread safety: const members may be called from several threads at once.
class ScaleModel {
 public:
  ScaleModel(ModelInfo info, StepTable steps, RowExecution rows);
  virtual ~ScaleModel();
  ScaleModel(const ScaleModel&) = delete;
  ScaleModel& operator=(const ScaleModel&) = delete;

  [[nodiscard]] const ModelInfo& info() const noexcept { return info_; }
  [[nodiscard]] const StepTable& steps() const noexcept { return steps_; }
  /// Rows of a sample: a conditional one, then where there is guidance an unconditional one.
  [[nodiscard]] std::int64_t branches() const noexcept { return std::ssize(info_.branches); }
  /// Whether every row is computed on its own; else all rows of a batch are together in every operation.
  [[nodiscard]] RowExecution rows() const noexcept { return rows_; }

  /// Steps of rows together run from these; null: launch by launch.
  [[nodiscard]] StepGraphs* graphs() const noexcept { return graphs_.get(); }
  /// Makes steps run from graphs; null: launch by launch. Before any session starts.
  void use_graphs(std::unique_ptr<GraphBackend> backend);

  [[nodiscard]] const ModelSizes& sizes() const noexcept { return sizes_; }
  void set_sizes(ModelSizes sizes) { sizes_ = std::move(sizes); }

  /// Where sessions say how far they are in the layers of a step (LayerPass); null: they are silent.
  [[nodiscard]] std::ostream* layer_progress() const noexcept { return layer_progress_; }
  void say_layer_progress_to(std::ostream* out) noexcept { layer_progress_ = out; }

  [[nodiscard]] virtual const TransformerBlocks& blocks() const = 0;
  [[nodiscard]] virtual TokenSpace token_space() const = 0;
  /// Height and width of the images in pixels.
  [[nodiscard]] virtual std::array<std::int64_t, 2> image_size() const = 0;

  /// @throws Error  kUsage for a request that the model cannot serve.
  virtual void check(const GenerationRequest& request) const = 0;
  /// Strength t of classifier-free guidance at a step: logits = (1 + t) conditional - t unconditional.
  [[nodiscard]] virtual double guidance(const GenerationRequest& request, int step) const = 0;
  /// What logits are divided by at a step.
  [[nodiscard]] double temperature(const GenerationRequest& request, int step) const;
  /// The same of a request that does not say.
  [[nodiscard]] virtual double default_temperature() const { return 1.0; }
  /// The conditions of the request's rows, conditional ones first; equal ones may be one object.
  [[nodiscard]] virtual std::vector<std::shared_ptr<const RowCondition>> conditions(
      const GenerationRequest& request) const = 0;
  /// By which queries and keys of a step are turned; null: not at all.
  [[nodiscard]] virtual const Rotation* rotation(int /*step*/) const { return nullptr; }

  /// Input of step 0 of one row, [N_0, C], or of all [rows, N_0, C].
  [[nodiscard]] virtual at::Tensor first_input(const RowCondition& condition) const = 0;
  /// Input of step >= 1 from code maps of n samples: [n, N_k, C].
  [[nodiscard]] virtual at::Tensor next_input(const at::Tensor& map, int step) const = 0;
  /// Code maps before the first step, [samples, latent_width, height, width].
  [[nodiscard]] virtual at::Tensor empty_map(std::int64_t samples) const = 0;
  /// Adds what a step's tokens stand for to the code maps.
  /// @param tokens  those of one sample, or [samples, ...]
  virtual void accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const = 0;
  /// The image of a finished code map [1, latent_width, height, width]: [1, 3, height, width] in [-1, 1].
  [[nodiscard]] virtual at::Tensor decode(const at::Tensor& map) const = 0;

  [[nodiscard]] at::Device device() const { return blocks().layout().device; }
  [[nodiscard]] AttentionSite site(int layer) const;
  /// body(i) for every sample: on all threads if the model is on the CPU, else one after the other.
  void for_each_sample(std::int64_t samples, const std::function<void(std::int64_t)>& body) const;
  /// The finished images of code maps, one per sample [1, latent_width, height, width]: [samples, height, width, 3]
  /// uint8, (x + 1) / 2 * 255 truncated.
  [[nodiscard]] at::Tensor render(std::span<const at::Tensor> maps) const;

 protected:
  using BeginCondition = std::function<TransformerBlocks::UnfinishedCondition(std::int64_t key)>;
  /// One object for each distinct key, in the order of `keys`. Begun as for_each_sample() goes; then all of them go
  /// through the layers together.
  [[nodiscard]] std::vector<std::shared_ptr<const RowCondition>> conditions_of(const std::vector<std::int64_t>& keys,
                                                                               const BeginCondition& begin) const;
  /// To be called once the blocks are loaded: what a site says of its layer.
  void describe_sites();

 private:
  ModelInfo info_;
  StepTable steps_;
  RowExecution rows_;
  std::unique_ptr<StepGraphs> graphs_;
  ModelSizes sizes_;
  std::ostream* layer_progress_ = nullptr;
  std::vector<float> softmax_scale_;              ///< of every AttentionSite: one value
  std::vector<std::vector<float>> logit_bounds_;  ///< per layer [heads], or empty
};

}  // namespace kvscope
