#pragma once

#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace kvscope {

/// What is generated together, and how tokens are drawn.
struct GenerationRequest {
  std::vector<std::int64_t> labels;      ///< one per sample of the batch; in [0, classes)
  std::vector<std::int64_t> sample_ids;  ///< number of each sample in the whole run; keys the noise
  std::uint64_t seed = 0;                ///< keys the noise
  double guidance = 4.0;                 ///< classifier-free guidance (cfg), >= 0; grows linearly over scales
  int top_k = 900;                       ///< 0: all tokens
  double top_p = 0.95;                   ///< in (0, 1]; 0 or 1: all tokens
  /// Logits can be differentiated with respect to everything that a cache returns: whatever attend() returns with
  /// requires_grad() starts or continues LibTorch's graph. Rows are computed together then; costs memory for all
  /// activations until the logits are gone.
  bool with_gradients = false;
};

/// What one step of a generation produced.
struct StepOutcome {
  int step = 0;
  at::Tensor logits;  ///< [batch, N_k, vocabulary] float32, after guidance, before top-k and top-p
  at::Tensor tokens;  ///< [batch, N_k] int64
};

/// One generation in progress. Several may be interleaved step by step (a full and a compressed run
/// side by side); each needs its own cache.
class GenerationSession {
 public:
  virtual ~GenerationSession() = default;

  [[nodiscard]] virtual bool done() const = 0;

  /// Runs the next step through `cache`, which belongs to this session alone.
  /// @param forced_tokens  [batch, N_k] int64: these go on to the next step instead of the drawn ones
  ///                       (teacher forcing); the outcome still holds what was drawn.
  virtual StepOutcome advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens = std::nullopt) = 0;

  /// The finished image: [batch, height, width, 3] uint8. Requires done().
  [[nodiscard]] virtual at::Tensor images() = 0;
};

/// A loaded model. Const members may be called from one thread at a time.
class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] virtual const ModelInfo& model() const = 0;
  [[nodiscard]] virtual const StepTable& steps() const = 0;
  /// Classes that a label may name: [0, classes()).
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  /// Entries of the token vocabulary.
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;

  /// Height and width of the images in pixels; {0, 0} where only a run can tell.
  [[nodiscard]] virtual std::array<std::int64_t, 2> image_size() const { return {0, 0}; }

  /// Where it computes, and where the tensors are that caches see; sessions take and give tensors on the CPU.
  [[nodiscard]] virtual ComputeDevice device() const { return {}; }

  /// Whether steps run from graphs with a cache that can be captured and serves several batches (step_graphs.h).
  [[nodiscard]] virtual bool uses_graphs() const { return false; }

  /// Starts a batch; calls nothing on any cache but attend() later on (callers call begin()).
  /// @throws Error  kUsage for labels out of range or impossible sampling settings.
  [[nodiscard]] virtual std::unique_ptr<GenerationSession> start(const GenerationRequest& request) const = 0;
};

}  // namespace kvscope
