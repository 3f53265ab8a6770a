#include "classifiers/heads/compare.h"

namespace kvscope {
namespace {

std::vector<std::uint8_t> contextual_set(const HeadClassification& classification) {
  std::vector<std::uint8_t> flags;
  for (const ClassifiedHead& head : classification.heads)
    flags.push_back(head.head_class == HeadClass::kContextual ? 1 : 0);
  return flags;
}

}  // namespace

double HeadComparison::agreement() const {
  return counts.total() == 0 ? 1.0
                             : 1.0 - static_cast<double>(counts.differing()) / static_cast<double>(counts.total());
}

HeadComparison compare_heads(const HeadClassification& first, std::string_view first_name,
                             const HeadClassification& second, std::string_view second_name) {
  if (first.layers != second.layers || first.heads_per_layer != second.heads_per_layer) {
    throw bad_input("{}: {} layers x {} heads, but {} has {} x {}", first_name, first.layers, first.heads_per_layer,
                    second_name, second.layers, second.heads_per_layer);
  }
  if (first.model && second.model) check_same_model(*first.model, first_name, *second.model, second_name);
  HeadComparison result;
  result.counts = agreement(contextual_set(first), contextual_set(second));
  for (std::size_t i = 0; i < first.heads.size(); ++i) {
    const ClassifiedHead& a = first.heads[i];
    const ClassifiedHead& b = second.heads[i];
    if (a.head_class != b.head_class) result.differing.push_back({a.layer, a.head, a.head_class, b.head_class});
  }
  return result;
}

Json to_json(const HeadComparison& comparison) {
  Json cells = Json::array();
  for (const DifferingHead& head : comparison.differing) {
    cells.push_back({{"layer", head.layer},
                     {"head", head.head},
                     {"first", head_class_name(head.first)},
                     {"second", head_class_name(head.second)}});
  }
  const auto kappa = comparison.kappa();
  return {{"heads", comparison.counts.total()},
          {"both_contextual", comparison.counts.both},
          {"only_first_contextual", comparison.counts.only_first},
          {"only_second_contextual", comparison.counts.only_second},
          {"both_structural", comparison.counts.neither},
          {"agreement", comparison.agreement()},
          {"jaccard", comparison.jaccard()},
          {"kappa", kappa ? Json(*kappa) : Json()},
          {"differing", std::move(cells)}};
}

}  // namespace kvscope
