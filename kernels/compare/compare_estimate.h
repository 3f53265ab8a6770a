#pragma once

#include "kernels/compare/compare_request.h"

#include <cstdint>

namespace kvscope {

/// What a comparison takes, from the time of one batch.
struct CompareEstimate {
  std::int64_t cells = 0;
  std::int64_t candidates = 0;   ///< of all searches, at most: equal plans are tried once
  std::int64_t logit_bytes = 0;  ///< of both sample sets' full runs
  double full_seconds = 0.0;     ///< full runs of both sample sets
  double search_seconds = 0.0;
  double cell_seconds = 0.0;
};
/// Generates one batch with the full cache and one with a lossless plan.
[[nodiscard]] CompareEstimate estimate_comparison(const Engine& engine, const CompareRequest& request);

}  // namespace kvscope
