#pragma once

#include "analysis/head_similarity.h"
#include "collectors/capture/capture.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

/// What heads are compared by.
struct SimilarityMeasure {
  std::string_view name;   ///< in files and options: "columns"
  std::string_view title;  ///< "same keys"
  std::string_view explanation;
  CaptureQuantity quantity;  ///< whose cosine it is
};
/// "columns": column means; "displacement": displacement histograms of all source scales together.
[[nodiscard]] std::span<const SimilarityMeasure> similarity_measures();

/// Heads shown as most alike.
inline constexpr int kSimilarHeads = 6;

/// For every head in (layer, head) order the kSimilarHeads most alike at one step, by means over samples
/// (most_similar_heads). Nothing if the capture has not what is compared.
[[nodiscard]] std::optional<std::vector<std::vector<SimilarHead>>> similar_heads(const Capture& capture,
                                                                                 const SimilarityMeasure& measure,
                                                                                 int step, int branch);

}  // namespace kvscope
