#include "classifiers/heads/compare.h"
#include "reports/atlas/atlas_data.h"
#include "reports/atlas/encoding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvscope {
namespace {

/// "CCSC...", one letter a head.
std::string class_letters(const HeadClassification& classification) {
  std::string letters;
  for (const ClassifiedHead& head : classification.heads)
    letters.push_back(head.head_class == HeadClass::kContextual ? 'C' : 'S');
  return letters;
}

template <typename Figure>
Json head_figures(const HeadClassification& classification, Figure&& figure) {
  std::vector<float> values;
  for (const ClassifiedHead& head : classification.heads) values.push_back(static_cast<float>(figure(head)));
  return float_array(values, {static_cast<std::int64_t>(values.size())});
}

double value_or_nan(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

Json atlas_classes(const ReportInputs& inputs) {
  if (!inputs.heads || inputs.heads->heads.empty()) return nullptr;
  const HeadClassification& classification = *inputs.heads;
  Json json{{"method", classification.method},
            {"score_label", score_label(classification)},
            {"letters", class_letters(classification)},
            {"borderline", borderline_indices(classification)},
            {"score", head_figures(classification, [](const ClassifiedHead& head) { return head.score; })},
            {"margin", head_figures(classification, [](const ClassifiedHead& head) { return head.margin; })}};
  if (std::ranges::any_of(classification.heads, [](const ClassifiedHead& head) { return head.confidence.has_value(); }))
    json["confidence"] =
        head_figures(classification, [](const ClassifiedHead& head) { return value_or_nan(head.confidence); });
  if (std::ranges::any_of(classification.heads, [](const ClassifiedHead& head) { return head.posterior.has_value(); }))
    json["posterior"] =
        head_figures(classification, [](const ClassifiedHead& head) { return value_or_nan(head.posterior); });
  const Json::json_pointer threshold("/split/threshold");
  if (classification.stability.is_object() && classification.stability.contains(threshold) &&
      classification.stability.at(threshold).is_number())
    json["threshold"] = classification.stability.at(threshold);
  return json;
}

Json atlas_comparisons(const ReportInputs& inputs) {
  Json list = Json::array();
  if (!inputs.heads) return list;
  for (const NamedHeads& other : inputs.comparisons) {
    const HeadComparison comparison = compare_heads(*inputs.heads, "--heads", other.heads, other.name);
    Json json{{"name", other.name},
              {"method", other.heads.method},
              {"letters", class_letters(other.heads)},
              {"agreement", comparison.agreement()},
              {"jaccard", comparison.jaccard()},
              {"kappa", nullptr},
              {"differing", std::ssize(comparison.differing)}};
    if (const auto kappa = comparison.kappa(); kappa && std::isfinite(*kappa)) json["kappa"] = *kappa;
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace kvscope
