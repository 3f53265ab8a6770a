#pragma once

#include "classifiers/plan/sensitivity.h"
#include "kernels/sensitivity/measured_price.h"
#include "kernels/sensitivity/pricing.h"

#include <cstdint>

namespace kvscope {

/// Runs the model for `n` different entries drawn at random by `seed`: this head alone compressed, teacher-forced on
/// the full run's tokens, all samples of the request. Cost: n + 1 generations of every sample.
[[nodiscard]] PriceCheck check_prices(const Engine& engine, const PricingRequest& request,
                                      const Sensitivity& sensitivity, std::int64_t n, std::uint64_t seed);

}  // namespace kvscope
