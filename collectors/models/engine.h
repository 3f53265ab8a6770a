#pragma once

#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/models/generation_memory.h"
#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace kvscope {

struct TextFeatures;
class LayerGradients;

/// What is generated together, and how tokens are drawn.
struct GenerationRequest {
  /// One per sample of the batch: a class in [0, classes), or of a model that takes text the number of a prompt of
  /// `text`.
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> sample_ids;  ///< number of each sample in the whole run; keys the noise
  std::uint64_t seed = 0;                ///< keys the noise
  double guidance = 4.0;                 ///< classifier-free guidance (cfg), >= 0; over scales: see the family's engine
  int top_k = 900;                       ///< 0: all entries of the vocabulary
  double top_p = 0.95;                   ///< in (0, 1]; 0 or 1: all entries
  std::optional<double> temperature;     ///< > 0; logits are divided by it; nothing: as the family is published
  /// One per step, instead of `guidance` and `temperature`; empty: these. Guidance counts as it stands, at every step.
  std::vector<double> guidance_of_step, temperature_of_step;
  std::shared_ptr<const TextFeatures> text;  ///< of a model that takes text: all prompts of the run
  /// One prompt, which unconditional rows read instead of what the model learned for them; null: that.
  std::shared_ptr<const TextFeatures> negative_text;
};

/// What a token is drawn from: `variables` independent categorical variables with `vocabulary` values each. A token of
/// VAR is one variable, one of Infinity a word of bits. The logits of a token are those of its variables one after the
/// other.
struct TokenSpace {
  std::int64_t vocabulary = 0;
  std::int64_t variables = 1;
  [[nodiscard]] std::int64_t logits() const noexcept { return variables * vocabulary; }
  bool operator==(const TokenSpace&) const = default;
};

/// What one step of a generation produced.
struct StepOutcome {
  int step = 0;
  /// [batch, N_k, variables x vocabulary] float32 (TokenSpace), after guidance, before top-k and top-p
  at::Tensor logits;
  at::Tensor tokens;  ///< [batch, N_k] int64; with more than one variable a token [batch, N_k, variables]
};

/// One generation in progress. Several may be interleaved step by step (a full and a compressed run
/// side by side); each needs its own cache.
class GenerationSession {
 public:
  virtual ~GenerationSession() = default;

  [[nodiscard]] virtual bool done() const = 0;

  /// Runs the next step through `cache`, which belongs to this session alone.
  /// @param forced_tokens  as StepOutcome::tokens: these go on to the next step instead of the drawn ones
  ///                       (teacher forcing); the outcome still holds what was drawn.
  virtual StepOutcome advance(KvCache& cache, const std::optional<at::Tensor>& forced_tokens = std::nullopt) = 0;

  /// Bytes of keys and values that cross attention reads of the batch's texts, over all layers; they are computed once
  /// and kept for the whole generation, beside the cache. 0 of a model without text.
  [[nodiscard]] virtual std::int64_t text_bytes() const { return 0; }

  /// The finished image: [batch, height, width, 3] uint8. Requires done().
  [[nodiscard]] virtual at::Tensor images() = 0;
};

/// A loaded model. Const members may be called from one thread at a time.
class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] virtual const ModelInfo& model() const = 0;
  [[nodiscard]] virtual const StepTable& steps() const = 0;
  /// Classes that a label may name: [0, classes()); 0 of a model that takes text.
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  [[nodiscard]] virtual TokenSpace token_space() const = 0;
  /// Values of one variable of a token.
  [[nodiscard]] std::int64_t vocabulary() const { return token_space().vocabulary; }

  /// Height and width of the images in pixels; {0, 0} where only a run can tell.
  [[nodiscard]] virtual std::array<std::int64_t, 2> image_size() const { return {0, 0}; }

  /// Where it computes, and where the tensors are that caches see; sessions take and give tensors on the CPU.
  [[nodiscard]] virtual ComputeDevice device() const { return {}; }

  /// What decides how much memory it takes; nothing where that is not known.
  [[nodiscard]] virtual std::optional<ModelSizes> sizes() const { return std::nullopt; }

  /// Whether steps run from graphs with a cache that can be captured and serves several batches (step_graphs.h).
  [[nodiscard]] virtual bool uses_graphs() const { return false; }

  /// Throws what start() would, computing nothing.
  virtual void check(const GenerationRequest& /*request*/) const {}

  /// Starts a batch; calls nothing on any cache but attend() later on (callers call begin()).
  /// @throws Error  kUsage for labels out of range, impossible sampling settings, or text that is missing or not the
  ///                model's.
  [[nodiscard]] virtual std::unique_ptr<GenerationSession> start(const GenerationRequest& request) const = 0;

  /// Runs a batch freely with everything kept, so that its logits can be differentiated.
  /// @throws Error  as start(); kEnvironment where that can't be done.
  [[nodiscard]] virtual std::unique_ptr<LayerGradients> differentiate(const GenerationRequest& request) const;
};

}  // namespace kvscope
