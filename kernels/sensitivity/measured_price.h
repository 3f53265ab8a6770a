#pragma once

#include <optional>
#include <vector>

namespace kvscope {

/// An entry of a sensitivity and what running the model says of it.
struct MeasuredPrice {
  int layer = 0;
  int kv_head = 0;
  int rule = 0;
  int count = 0;           ///< place in Sensitivity::counts
  double estimated = 0.0;  ///< nats per token, mean over samples
  double measured = 0.0;   ///< teacher-forced KL(full || this head alone compressed), nats per token
};

struct PriceCheck {
  std::vector<MeasuredPrice> prices;
  std::optional<double> rank_correlation;  ///< Spearman; empty where one side is constant
  double ratio = 0.0;                      ///< sum of the estimates over the sum of the measurements
};

}  // namespace kvscope
