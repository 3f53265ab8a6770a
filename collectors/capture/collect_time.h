#pragma once

#include "collectors/base/element_type.h"
#include "collectors/models/generation_memory.h"

#include <cstdint>

namespace kvscope {

/// Seconds that this machine takes for one multiplication with its addition, with all threads at work.
struct ComputeRates {
  double linear = 0.0;      ///< in the linear layers of the transformer
  double attention = 0.0;   ///< in attention, of a query with a key in one channel, twice: for logits and for values
  double statistics = 0.0;  ///< the same in the capture's pass over attention
};

/// Measures them with operations of the model's own shapes, in a few seconds; on the CPU.
[[nodiscard]] ComputeRates measure_compute_rates(const ModelSizes& sizes, ElementType type);

/// Seconds that generating samples takes, without decoding images and without reading streamed layers.
struct CollectSeconds {
  double generation = 0.0;
  double statistics = 0.0;

  [[nodiscard]] double total() const noexcept { return generation + statistics; }
};

/// @param batch  samples together; a last row that leaves threads idle takes as long as one that does not
[[nodiscard]] CollectSeconds estimated_seconds(const ModelSizes& sizes, const ComputeRates& rates, std::int64_t samples,
                                               std::int64_t batch);

}  // namespace kvscope
