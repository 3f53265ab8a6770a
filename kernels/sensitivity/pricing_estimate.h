#pragma once

#include "collectors/models/generation_memory.h"
#include "kernels/sensitivity/pricing.h"

#include <cstdint>

namespace kvscope {

/// What price_heads() takes, from one batch that was priced for it.
struct PricingEstimate {
  std::int64_t samples = 0;
  std::int64_t entries = 0;  ///< prices: heads x rules x counts
  double seconds = 0.0;
  std::int64_t memory_bytes = 0;  ///< besides the weights: layer_gradients_bytes() of the samples at work together
  std::int64_t file_bytes = 0;    ///< of the numbers in the finished file; its attributes add a few thousand
};

/// Bytes of memory that price_heads() holds beside what a generation without a cache takes, before a model is loaded.
[[nodiscard]] std::int64_t pricing_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape, int draws);

/// Prices the first samples of the request, as many as work together, and throws the prices away.
/// @throws Error  as price_heads().
[[nodiscard]] PricingEstimate estimate_pricing(const Engine& engine, const PricingRequest& request);

}  // namespace kvscope
