#include "reports/figures/head_figures.h"

#include "reports/tables/head_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace kvscope {

std::string score_label(const HeadClassification& classification) {
  if (classification.method == "variance" || classification.method == "elbow") return "Column variance";
  if (classification.method == "diagonal") return "Diagonal band mass";
  if (classification.method == "semantic-center") return "Distance from the mean head";
  return "Score";
}

std::string score_title(const HeadScore& score) {
  std::string title(score.name);
  std::ranges::replace(title, '_', ' ');
  if (!title.empty()) title.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(title.front())));
  return title;
}

std::vector<std::size_t> borderline_indices(const HeadClassification& classification) {
  std::vector<std::size_t> indices;
  for (const ClassifiedHead& head : classification.borderline()) {
    indices.push_back(static_cast<std::size_t>(head.layer) * static_cast<std::size_t>(classification.heads_per_layer) +
                      static_cast<std::size_t>(head.head));
  }
  return indices;
}

Figure class_figure(const HeadClassification& classification) {
  const bool with_scores = classification.layers * classification.heads_per_layer <= 100;
  return {"class_map", with_scores ? "Class of every head, with its score." : "Class of every head.",
          class_map(classification, borderline_indices(classification), score_label(classification)),
          head_table(classification), class_image(classification)};
}

HeadValues classified_values(const HeadClassification& classification) {
  const std::string label = score_label(classification);
  HeadValues values{label + " of every head", label, classification.layers, classification.heads_per_layer, {}};
  for (const ClassifiedHead& head : classification.heads) values.values.push_back(head.score);
  const double lowest = values.values.empty() ? 0.0 : std::ranges::min(values.values);
  values.scale = lowest > 0.0 ? round_logarithmic_scale(values.values) : round_linear_scale(values.values, false);
  return values;
}

Figure sorted_scores_figure(const HeadClassification& classification) {
  return {"sorted_scores", "All heads by rising score, and where the classes part.",
          sorted_scores(classification, score_label(classification)), head_table(classification)};
}

HeadValues score_values(const Scores& scores, const HeadScore& score, int branch, int step) {
  const std::string title = score_title(score);
  HeadValues values{title + " of every head", title, scores.model.layers, scores.model.heads, {}};
  const Array<double>& mean = scores.at(score).mean;
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) values.values.push_back(mean(branch, layer, head, step));
  }
  values.scale = score_scale(score, values.values);
  return values;
}

ValueScale score_scale(const HeadScore& score, const std::vector<double>& values) {
  if (score.name == head_score::kColumnVariance.name) return round_logarithmic_scale(values);
  // Slightly below zero where a head avoids its band: shown as zero.
  if (score.name == head_score::kBandExcess.name) return ValueScale::linear(0.0, 1.0);
  return score.range.ends_with("1]") && score.range.starts_with("[") ? ValueScale::linear(0.0, 1.0)
                                                                     : round_linear_scale(values, true);
}

std::string range_words(const ValueScale& scale) {
  return fmt::format(", {} to {}{}", number_label(scale.low(), 3), number_label(scale.high(), 3),
                     scale.kind() == ValueScale::Kind::kLogarithmic ? " (log)" : "");
}

bool any_finite(const std::vector<double>& values) noexcept {
  return std::ranges::any_of(values, [](double value) { return std::isfinite(value); });
}

}  // namespace kvscope
