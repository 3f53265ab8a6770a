#pragma once

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/models/row_execution.h"
#include "collectors/models/step_graphs.h"
#include "collectors/models/var_quantiser.h"
#include "collectors/models/var_tokenizer.h"
#include "collectors/models/var_transformer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace kvscope {

/// A loaded VAR with the files its tensors are mapped from; shared by an engine and its sessions.
struct VarModel {
  Checkpoint transformer_file;
  Checkpoint tokenizer_file;
  ModelInfo info;
  StepTable steps;
  VarTransformer transformer;
  VarQuantiser quantiser;
  VarTokenizer tokenizer;
  VarTransformer::Condition unconditional;       ///< of every unconditional row
  std::vector<float> softmax_scale;              ///< of every AttentionSite: one value
  std::vector<std::vector<float>> logit_bounds;  ///< per layer [heads], or empty

  /// Whether every row is computed on its own; else all rows of a batch are together in every operation.
  RowExecution rows = RowExecution::kOneByOne;
  /// Steps of rows together run from these; null: launch by launch.
  std::shared_ptr<StepGraphs> graphs;

  [[nodiscard]] at::Device device() const { return transformer.device(); }
  /// body(i) for every sample: on all threads if the model is on the CPU, else one after the other.
  void for_each_sample(std::int64_t samples, const std::function<void(std::int64_t)>& body) const;
  [[nodiscard]] std::int64_t image_side() const {
    return quantiser.map_side() * tokenizer.config().autoencoder.downsampling();
  }
};

/// The finished images of code maps, one per sample [1, latent_width, P, P]: [samples, side, side, 3]
/// uint8, (x + 1) / 2 * 255 truncated.
[[nodiscard]] at::Tensor render(const VarModel& model, std::span<const at::Tensor> maps);

/// Throws kUsage unless `tokens` is [samples, N_step] int64 within the vocabulary.
void check_tokens(const VarModel& model, const at::Tensor& tokens, std::int64_t samples, int step);

}  // namespace kvscope
