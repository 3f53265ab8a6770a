#pragma once

#include "collectors/models/engine.h"
#include "collectors/models/kv_cache.h"
#include "collectors/models/row_condition.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvscope {

class ScaleModel;

/// The most memory that LayerGradients takes for one sample, besides the weights, as its description counts it.
[[nodiscard]] std::int64_t layer_gradients_bytes(const ModelInfo& model, const StepTable& steps, std::int64_t scalars);

/// A free run of one batch with everything kept, and derivatives of scalar functions of its logits by the outputs of
/// self-attention, found layer by layer from the last one down.
///
/// Steps hang together only through the keys and values of one and the same layer: what they pass on otherwise are
/// drawn tokens, which have no derivative. So a layer can be done for all steps at once. The run keeps the input of
/// every layer, which is half as many numbers as keys and values are, and no graph; on the way back a layer is computed
/// again from it under LibTorch's autograd, and its graph is gone before the layer below begins.
///
/// Memory, with T tokens in all steps, R rows, L layers, width C and S scalars: during the run the cache (2 T R L C
/// elements) and 4 T R L C bytes of inputs; on the way back these inputs, 4 S T R C bytes of derivatives, and one
/// layer's activations for all steps (about 30 T R C floats, and the visible keys and values of every step beside
/// one another; attention is LibTorch's, which keeps no map).
/// Time: twice a run, and S times a run's backward pass.
///
/// On the CPU, in float32 but for linear layers, which run in the model's type. Bits do not depend on the number of
/// threads, but may on the batch.
///
/// Thread safety: none; several objects may share a model.
class LayerGradients {
 public:
  /// Runs the model.
  /// @throws Error  kUsage for a request that the model cannot serve; kEnvironment if it is on a GPU.
  LayerGradients(std::shared_ptr<const ScaleModel> model, const GenerationRequest& request);
  ~LayerGradients();

  /// Of every step, as in StepOutcome.
  [[nodiscard]] const std::vector<at::Tensor>& logits() const noexcept { return logits_; }
  [[nodiscard]] int layers() const;
  [[nodiscard]] AttentionSite site(int layer) const;
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }

  /// Begins at the top, as often as one likes.
  /// @param by_logits  [scalar][step], shaped as the logits: derivative of each scalar by them
  void begin(const std::vector<std::vector<at::Tensor>>& by_logits);

  /// Self-attention of one layer at one step; [rows, heads or kv_heads, N_k, head_dim], contiguous.
  struct Call {
    at::Tensor query, key, value;  ///< as the cache of a run gets them
    at::Tensor output;             ///< float32
    at::Tensor gradient;           ///< [scalar, rows, heads, N_k, head_dim] float32, of the scalars by `output`
  };
  /// The next layer down, beginning with the last: its calls at every step.
  [[nodiscard]] std::vector<Call> next();

 private:
  [[nodiscard]] std::vector<at::Tensor> inputs_of(int layer) const;  ///< [step] of [rows, N_k, C]
  /// A layer computed again for all steps, as part of a graph of its own; [step] each.
  struct LayerGraph {
    std::vector<Call> calls;  ///< without gradients
    std::vector<at::Tensor> inputs, attended, results;
  };
  [[nodiscard]] LayerGraph computed_again(int layer) const;
  [[nodiscard]] at::Tensor by_head_inputs(int step, const at::Tensor& by_logits) const;

  std::shared_ptr<const ScaleModel> model_;
  GenerationRequest request_;
  std::int64_t rows_ = 0;
  RowCondition condition_;                                    ///< of all rows
  std::vector<at::Tensor> logits_;                            ///< [step]
  std::vector<std::vector<std::vector<at::Tensor>>> inputs_;  ///< [layer][step][row], x; the last entry is the head's
  std::vector<std::vector<at::Tensor>> by_outputs_;           ///< [scalar][step], by the output of the next layer
  int next_ = -1;
};

}  // namespace kvscope
