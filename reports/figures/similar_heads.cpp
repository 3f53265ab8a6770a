#include "reports/figures/similar_heads.h"

#include <array>

namespace kvscope {
namespace {

/// Rows of one branch and step as vectors to compare, [heads, values].
Array<float> head_vectors(const Capture& capture, const CaptureQuantity& quantity, int step, int branch) {
  const Array<float> values = capture.read(quantity, step);
  const ModelInfo& model = capture.model();
  std::vector<float> flat;
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int head = 0; head < model.heads; ++head) {
      const auto row = values.slice(branch, layer, head);
      flat.insert(flat.end(), row.begin(), row.end());
    }
  }
  const std::int64_t n_head = std::int64_t{model.layers} * model.heads;
  return {{n_head, static_cast<std::int64_t>(flat.size()) / n_head}, std::move(flat)};
}

}  // namespace

std::span<const SimilarityMeasure> similarity_measures() {
  static const std::array<SimilarityMeasure, 2> measures = {
      {{"columns", "same keys", "cosine of the column means", mean_statistic::kColumnMean},
       {"displacement", "same direction", "cosine of the displacement histograms, all source scales together",
        mean_statistic::kDisplacement}}};
  return measures;
}

std::optional<std::vector<std::vector<SimilarHead>>> similar_heads(const Capture& capture,
                                                                   const SimilarityMeasure& measure, int step,
                                                                   int branch) {
  if (!capture.has(measure.quantity, step)) return std::nullopt;
  return most_similar_heads(head_vectors(capture, measure.quantity, step, branch), kSimilarHeads);
}

}  // namespace kvscope
