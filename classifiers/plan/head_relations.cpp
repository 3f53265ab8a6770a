#include "classifiers/plan/head_relations.h"

#include "analysis/rank_correlation.h"
#include "analysis/rank_separation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr int kBranch = 0;  // conditional rows, as in the classification
/// Of what there is to carry: what head_cost_table() prints, too.
constexpr double kShare = 0.25;

using Heads = std::span<const std::size_t>;

double or_nothing(const std::optional<double>& value) {
  return value.value_or(kNothing);
}

void check_extent(const HeadFigures& figures, std::string_view what, int layers, int heads) {
  if (layers != figures.layers || heads != figures.heads_per_layer) {
    throw usage_error("{} of {} layers of {} heads, but the sensitivity is of {} of {}", what, layers, heads,
                      figures.layers, figures.heads_per_layer);
  }
}

void add_figure(HeadFigures& figures, std::string_view name, std::vector<double> values, double tokens = 0.0) {
  if (std::ranges::none_of(values, [](double value) { return std::isfinite(value); })) return;
  figures.figures.push_back({std::string(name), std::move(values), tokens});
}

void add_classes(HeadFigures& figures, const HeadClassification& heads) {
  check_extent(figures, "a classification", heads.layers, heads.heads_per_layer);
  std::vector<double> values;
  for (const ClassifiedHead& head : heads.heads) {
    figures.classes.push_back(head.head_class);
    values.push_back(head.head_class == HeadClass::kStructural ? 1.0 : 0.0);
  }
  add_figure(figures, head_figure::kClass, std::move(values));
}

void add_classifier_score(HeadFigures& figures, const HeadClassification& heads) {
  std::vector<double> values;
  for (const ClassifiedHead& head : heads.heads) values.push_back(head.score);
  add_figure(figures, head_figure::kClassifierScore, std::move(values));
}

void add_scores(HeadFigures& figures, const Scores& scores) {
  check_extent(figures, "scores", scores.model.layers, scores.model.heads);
  const int last = scores.steps.size() - 1;
  for (const HeadScore& score : {head_score::kColumnVariance, head_score::kBandExcess}) {
    if (!scores.has(score)) continue;
    std::vector<double> values;
    for (int layer = 0; layer < figures.layers; ++layer) {
      for (int head = 0; head < figures.heads_per_layer; ++head)
        values.push_back(scores.at(score).mean(kBranch, layer, head, last));
    }
    add_figure(figures, score.name, std::move(values));
  }
}

/// A statistic of the heads, and its interval over key/value heads: the query heads of one are drawn together.
template <typename Statistic>
Interval over_heads(const HeadFigures& figures, const Statistic& statistic) {
  const std::int64_t groups = std::int64_t{figures.layers} * figures.kv_heads;
  const std::size_t sharing = figures.n_head() / static_cast<std::size_t>(std::max<std::int64_t>(groups, 1));
  std::vector<std::size_t> heads;
  return bootstrap(groups, [&](std::span<const std::int64_t> drawn) {
    heads.clear();
    for (const std::int64_t group : drawn) {
      for (std::size_t i = 0; i < sharing; ++i) heads.push_back(static_cast<std::size_t>(group) * sharing + i);
    }
    return statistic(Heads(heads));
  });
}

/// The values of those heads of a class that have one.
std::vector<double> values_of(const HeadFigures& figures, const HeadFigure& figure, Heads heads, HeadClass head_class) {
  std::vector<double> values;
  for (const std::size_t head : heads) {
    if (figures.classes[head] == head_class && std::isfinite(figure.values[head]))
      values.push_back(figure.values[head]);
  }
  return values;
}

double mean(std::span<const double> values) {
  return values.empty() ? kNothing
                        : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

FigureCorrelation correlation(const HeadFigures& figures, std::size_t a, std::size_t b) {
  const std::vector<double>& values_a = figures.figures[a].values;
  const std::vector<double>& values_b = figures.figures[b].values;
  std::int64_t most = 0;
  const auto rho = [&](Heads heads) {
    std::vector<double> side_a;
    std::vector<double> side_b;
    for (const std::size_t head : heads) {
      if (!std::isfinite(values_a[head]) || !std::isfinite(values_b[head])) continue;
      side_a.push_back(values_a[head]);
      side_b.push_back(values_b[head]);
    }
    if (most == 0) most = std::ssize(side_a);  // the first call is with every head
    return or_nothing(spearman(side_a, side_b));
  };
  const Interval interval = over_heads(figures, rho);
  return {a, b, most, interval};
}

ClassContrast contrast(const HeadFigures& figures, std::size_t number) {
  const HeadFigure& figure = figures.figures[number];
  const auto of = [&](Heads heads, HeadClass head_class) { return values_of(figures, figure, heads, head_class); };
  const auto mean_of = [&](HeadClass head_class) {
    return over_heads(figures, [&, head_class](Heads heads) { return mean(of(heads, head_class)); });
  };
  std::vector<std::size_t> all(figures.n_head());
  std::iota(all.begin(), all.end(), std::size_t{0});
  ClassContrast result;
  result.figure = number;
  result.contextual_heads = std::ssize(of(all, HeadClass::kContextual));
  result.structural_heads = std::ssize(of(all, HeadClass::kStructural));
  result.contextual_mean = mean_of(HeadClass::kContextual);
  result.structural_mean = mean_of(HeadClass::kStructural);
  result.ratio = over_heads(figures, [&](Heads heads) {
    const double ratio = mean(of(heads, HeadClass::kStructural)) / mean(of(heads, HeadClass::kContextual));
    return std::isfinite(ratio) ? ratio : kNothing;
  });
  result.area = over_heads(figures, [&](Heads heads) {
    return or_nothing(area_under_curve(of(heads, HeadClass::kContextual), of(heads, HeadClass::kStructural)));
  });
  return result;
}

std::vector<double> cheapest_costs(const Sensitivity& sensitivity, double tokens) {
  std::vector<double> costs;
  for (const RulePrice& price : cheapest_rules(sensitivity, tokens)) costs.push_back(price.cost);
  return costs;
}

}  // namespace

const HeadFigure& HeadFigures::at(std::string_view name) const& {
  const auto found = std::ranges::find(figures, name, &HeadFigure::name);
  if (found == figures.end()) throw usage_error("the heads have no figure '{}'", name);
  return *found;
}

HeadFigures head_figures(const Sensitivity& sensitivity, const HeadClassification* heads, const Scores* scores) {
  HeadFigures result;
  result.layers = sensitivity.model.layers;
  result.heads_per_layer = sensitivity.model.heads;
  result.kv_heads = sensitivity.model.kv_heads;
  if (heads != nullptr) add_classes(result, *heads);
  if (scores != nullptr) add_scores(result, *scores);
  if (heads != nullptr && scores == nullptr) add_classifier_score(result, *heads);
  const int last = sensitivity.steps.size() - 1;
  const auto all = static_cast<double>(sensitivity.steps.n_key(last) - sensitivity.steps.n_query(last));
  const auto least = static_cast<double>(sensitivity.counts.front());
  const double quarter = std::max(1.0, kShare * all);
  add_figure(result, head_figure::kCostLeast, cheapest_costs(sensitivity, least), least);
  add_figure(result, head_figure::kCostQuarter, cheapest_costs(sensitivity, quarter), quarter);
  return result;
}

std::vector<RulePrice> cheapest_rules(const Sensitivity& sensitivity, double tokens) {
  std::vector<RulePrice> prices;
  const int sharing = sensitivity.model.heads / sensitivity.model.kv_heads;
  for (int layer = 0; layer < sensitivity.model.layers; ++layer) {
    for (int head = 0; head < sensitivity.model.heads; ++head)
      prices.push_back(cheapest_rule(sensitivity, layer, head / sharing, tokens));
  }
  return prices;
}

HeadFigures costs_by_tokens(const Sensitivity& sensitivity, const HeadFigures& figures) {
  HeadFigures result = figures;
  result.figures.clear();
  for (const std::int64_t count : sensitivity.counts) {
    const auto tokens = static_cast<double>(count);
    result.figures.push_back({fmt::format("cost_{}", count), cheapest_costs(sensitivity, tokens), tokens});
  }
  return result;
}

std::vector<FigureCorrelation> figure_correlations(const HeadFigures& figures) {
  std::vector<FigureCorrelation> pairs;
  for (std::size_t a = 0; a < figures.figures.size(); ++a) {
    for (std::size_t b = a + 1; b < figures.figures.size(); ++b) pairs.push_back(correlation(figures, a, b));
  }
  return pairs;
}

std::vector<ClassContrast> class_contrasts(const HeadFigures& figures) {
  std::vector<ClassContrast> contrasts;
  if (figures.classes.empty()) return contrasts;
  for (std::size_t number = 0; number < figures.figures.size(); ++number) {
    if (figures.figures[number].name != head_figure::kClass) contrasts.push_back(contrast(figures, number));
  }
  return contrasts;
}

}  // namespace kvscope
