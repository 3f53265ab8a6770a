#pragma once

#include "collectors/geometry/step_table.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace kvscope {

/// Where in the model an attention call comes from.
struct AttentionSite {
  int layer = 0;
  /// Softmax scale, one for all heads or [heads]. Models that normalise q and k (VAR, Infinity) fold
  /// their learned temperature into q and pass 1.
  std::span<const float> softmax_scale;
  /// Largest possible |logit| per head ([heads]), if the model guarantees one; empty if not.
  std::span<const float> logit_bound;
};

/// The step an attention call belongs to.
struct Step {
  int index = 0;
  const StepTable* table = nullptr;  ///< shape, kind and visibility of this and all other steps
};

/// The one seam between a transformer and what happens to its keys and values.
///
/// attend() is called once per layer and step, layers ascending inside a step, steps ascending. It
/// appends k and v to the cache of that layer and returns the attention's output.
///
/// Rows are independent sequences: under classifier-free guidance row i < batch is sample i's
/// conditional branch and row batch + i its unconditional one.
///
/// Thread safety: none; the implementation may use parallel_for inside.
class KvCache {
 public:
  virtual ~KvCache() = default;

  /// Forgets everything and prepares for `rows` sequences.
  virtual void begin(std::int64_t rows) = 0;

  /// @param q     [rows, heads, N_k, head_dim], of this step
  /// @param k, v  [rows, kv_heads, N_k, head_dim], of this step, contiguous or not
  /// @return      [rows, heads, N_k, head_dim], in q's element type
  virtual at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v) = 0;

  /// Whether what attend() does on the device can be recorded once per step and done again later for other keys and
  /// values (step_graphs.h): then the identity of the memory that these recordings read and write, else null. That
  /// takes an attend() which queues the same work on the same addresses whenever it is called for the same layer, step
  /// and number of rows, and which asks the device for nothing.
  ///
  /// The identity becomes another one, and the old one expires, when the cache puts any of this memory elsewhere: in
  /// begin() for another number of rows, or in the first attend() of a step, never in a later one.
  [[nodiscard]] virtual std::shared_ptr<const void> capturable_memory() const { return nullptr; }

  /// Does what attend() does on the host at `step`, for all layers: the device's part comes from a recording. In the
  /// order of steps as attend(). Called only for caches that can be captured.
  virtual void replay_on_host(const Step&) {}

  /// Bytes of keys and values now held, over all layers and rows.
  [[nodiscard]] virtual std::int64_t held_bytes() const = 0;
  /// Bytes allocated for keys and values now, over all layers and rows.
  [[nodiscard]] virtual std::int64_t allocated_bytes() const = 0;
};

}  // namespace kvscope
