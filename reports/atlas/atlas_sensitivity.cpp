#include "classifiers/plan/head_relations.h"
#include "reports/atlas/atlas_data.h"
#include "reports/atlas/encoding.h"
#include "reports/tables/relation_tables.h"

#include <algorithm>

namespace kvscope {
namespace {

/// Places among the rules of what is cheapest for every query head.
std::vector<int> places_of(const std::vector<RulePrice>& prices) {
  std::vector<int> places;
  for (const RulePrice& price : prices) places.push_back(price.rule);
  return places;
}

}  // namespace

Json atlas_sensitivity(const ReportInputs& inputs) {
  if (!inputs.sensitivity) return nullptr;
  const Sensitivity& sensitivity = *inputs.sensitivity;
  // Every number of tokens that was priced, and the quarter that the document speaks of.
  std::vector<HeadFigure> points = costs_by_tokens(sensitivity, {}).figures;
  const HeadFigures priced = head_figures(sensitivity, nullptr, nullptr);
  const HeadFigure& quarter = priced.at(head_figure::kCostQuarter);
  if (std::ranges::find(points, quarter.tokens, &HeadFigure::tokens) == points.end()) points.push_back(quarter);
  std::ranges::stable_sort(points, {}, &HeadFigure::tokens);
  Json json{{"samples", sensitivity.samples()}, {"rules", Json::array()}, {"points", Json::array()}};
  for (const PricedRule& rule : sensitivity.rules) json["rules"].push_back(rule.name);
  for (const HeadFigure& point : points) {
    const std::vector<float> costs(point.values.begin(), point.values.end());
    json["points"].push_back({{"tokens", point.tokens},
                              {"label", figure_label(point)},
                              {"cost", float_array(costs, {std::ssize(costs)})},
                              {"rule", places_of(cheapest_rules(sensitivity, point.tokens))}});
  }
  return json;
}

}  // namespace kvscope
