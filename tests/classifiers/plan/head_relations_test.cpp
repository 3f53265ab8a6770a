#include "classifiers/plan/head_relations.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace kvscope;

namespace {

using Values = std::vector<double>;

/// One layer of four heads, or of two key/value heads that two each share; scales 1, 2, 4 of 1, 4 and 16 tokens.
ModelInfo small_model(int kv_heads = 4) {
  ModelInfo model;
  model.family = "var";
  model.layers = 1;
  model.heads = 4;
  model.kv_heads = kv_heads;
  model.head_dim = 8;
  model.branches = {"conditional"};
  return model;
}

/// Costs at one and at three tokens, by two rules of which the second is twice as dear at three.
Sensitivity sensitivity_of(const ModelInfo& model, const Values& at_one, const Values& at_three) {
  Sensitivity result;
  result.model = model;
  result.steps = StepTable::square(std::vector<int>{1, 2, 4});
  result.rules = {{"attention-topk", retention_preset("attention-topk")}, {"window", retention_preset("window")}};
  result.counts = {1, 3};
  result.cost = Array<double>({model.layers, model.kv_heads, 2, 2, 3});
  result.sample_cost = Array<float>({1, model.layers, model.kv_heads, 2, 2});
  for (int head = 0; head < model.kv_heads; ++head) {
    const auto i = static_cast<std::size_t>(head);
    for (int rule = 0; rule < 2; ++rule) {
      result.cost(0, head, rule, 0, 1) = at_one[i];
      result.cost(0, head, rule, 1, 2) = at_three[i] * (rule + 1);
    }
  }
  return result;
}

HeadClassification classes_of(const std::string& letters) {
  HeadClassification result;
  result.layers = 1;
  result.heads_per_layer = static_cast<int>(letters.size());
  for (std::size_t i = 0; i < letters.size(); ++i) {
    ClassifiedHead head;
    head.head = static_cast<int>(i);
    head.head_class = letters[i] == 'C' ? HeadClass::kContextual : HeadClass::kStructural;
    head.score = 0.1 * static_cast<double>(i + 1);
    result.heads.push_back(head);
  }
  return result;
}

Scores scores_of(const Values& variance) {
  Scores scores;
  scores.model = small_model();
  scores.steps = StepTable::square(std::vector<int>{1, 2, 4});
  HeadScoreValues values;
  values.mean = Array<double>({1, 1, 4, 3});
  for (int head = 0; head < 4; ++head) values.mean(0, 0, head, 2) = variance[static_cast<std::size_t>(head)];
  scores.values.emplace(head_score::kColumnVariance.name, std::move(values));
  return scores;
}

const FigureCorrelation& pair_of(const HeadFigures& figures, const std::vector<FigureCorrelation>& pairs,
                                 std::string_view a, std::string_view b) {
  for (const FigureCorrelation& pair : pairs) {
    if (figures.figures[pair.a].name == a && figures.figures[pair.b].name == b) return pair;
  }
  throw usage_error("no such pair");
}

}  // namespace

TEST_SUITE("classifiers.plan.head_relations") {
  TEST_CASE("figures are those of class and scores and the cheapest rule") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 3, 2, 1}, {0.4, 0.3, 0.2, 0.1});
    const HeadClassification heads = classes_of("SSCC");
    const Scores scores = scores_of({0.4, 0.1, 0.3, 0.2});
    const HeadFigures figures = head_figures(sensitivity, &heads, &scores);
    CHECK(figures.at("class").values == Values{1, 1, 0, 0});
    CHECK(figures.at("column_variance").values == Values{0.4, 0.1, 0.3, 0.2});
    CHECK(figures.at("cost_least").values == Values{4, 3, 2, 1});
    CHECK(figures.at("cost_least").tokens == 1.0);
    // A quarter of the five tokens that the last scale finds lies an eighth of the way from one token to three.
    CHECK(figures.at("cost_quarter").tokens == 1.25);
    CHECK(figures.at("cost_quarter").values[0] == doctest::Approx(4.0 + 0.125 * (0.4 - 4.0)).epsilon(1e-15));
    CHECK(figures.figures.size() == 4);
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)figures.at("entropy"); }, "entropy");
  }

  TEST_CASE("without scores the classification's own score stands in") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 3, 2, 1}, {1, 1, 1, 1});
    const HeadClassification heads = classes_of("SSCC");
    const HeadFigures figures = head_figures(sensitivity, &heads, nullptr);
    CHECK(figures.at("classifier_score").values[3] == doctest::Approx(0.4));
    CHECK(head_figures(sensitivity, nullptr, nullptr).figures.size() == 2);
    CHECK(class_contrasts(head_figures(sensitivity, nullptr, nullptr)).empty());
    const HeadClassification fewer = classes_of("SC");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)head_figures(sensitivity, &fewer, nullptr); }, "classification", "2");
  }

  TEST_CASE("correlations of all pairs are those of the textbook") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 3, 2, 1}, {0.4, 0.3, 0.2, 0.1});
    const HeadClassification heads = classes_of("SSCC");
    const Scores scores = scores_of({0.4, 0.1, 0.3, 0.2});
    const HeadFigures figures = head_figures(sensitivity, &heads, &scores);
    const auto pairs = figure_correlations(figures);
    CHECK(pairs.size() == 6);
    // Ranks 4, 1, 3, 2 and 4, 3, 2, 1: 1 - 6 (0 + 4 + 1 + 1) / (4 * 15).
    CHECK(pair_of(figures, pairs, "column_variance", "cost_least").rho.mean == doctest::Approx(0.4).epsilon(1e-14));
    // Ranks 3.5, 3.5, 1.5, 1.5 and 4, 3, 2, 1: covariance 4, variances 4 and 5.
    const FigureCorrelation& of_class = pair_of(figures, pairs, "class", "cost_least");
    CHECK(of_class.rho.mean == doctest::Approx(4.0 / std::sqrt(20.0)).epsilon(1e-14));
    CHECK(of_class.heads == 4);
    const FigureCorrelation& costs = pair_of(figures, pairs, "cost_least", "cost_quarter");
    CHECK(costs.rho.mean == doctest::Approx(1.0).epsilon(1e-14));
    CHECK(costs.rho.low == doctest::Approx(1.0).epsilon(1e-14));
    CHECK(costs.excludes_zero());
    CHECK_FALSE(pair_of(figures, pairs, "column_variance", "cost_least").excludes_zero());
  }

  TEST_CASE("heads without a score are left out of its pairs alone") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 3, 2, 1}, {0.4, 0.3, 0.2, 0.1});
    const Scores scores = scores_of({0.4, std::numeric_limits<double>::quiet_NaN(), 0.3, 0.2});
    const HeadFigures figures = head_figures(sensitivity, nullptr, &scores);
    const auto pairs = figure_correlations(figures);
    const FigureCorrelation& partial = pair_of(figures, pairs, "column_variance", "cost_least");
    CHECK(partial.heads == 3);
    CHECK(partial.rho.mean == doctest::Approx(1.0).epsilon(1e-14));
    CHECK(pair_of(figures, pairs, "cost_least", "cost_quarter").heads == 4);
  }

  TEST_CASE("both classes are compared by their means and by the share of pairs in order") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 1, 3, 2}, {0.4, 0.3, 0.2, 0.1});
    const HeadClassification heads = classes_of("SSCC");
    const HeadFigures figures = head_figures(sensitivity, &heads, nullptr);
    const auto contrasts = class_contrasts(figures);
    REQUIRE(contrasts.size() == 3);
    const ClassContrast& least = contrasts[1];
    REQUIRE(figures.figures[least.figure].name == "cost_least");
    CHECK(least.contextual_heads == 2);
    CHECK(least.structural_heads == 2);
    CHECK(least.contextual_mean.mean == 2.5);
    CHECK(least.structural_mean.mean == 2.5);
    CHECK(least.ratio.mean == 1.0);
    CHECK(least.area.mean == 0.5);  // 4 is above 3 and 2, 1 above neither
    // Resamples that lack a class are no resamples of its mean.
    CHECK(least.contextual_mean.low == 2.0);
    CHECK(least.contextual_mean.high == 3.0);
  }

  TEST_CASE("a class without heads leaves its figures open") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 1, 3, 2}, {0.4, 0.3, 0.2, 0.1});
    const HeadClassification heads = classes_of("CCCC");
    const HeadFigures figures = head_figures(sensitivity, &heads, nullptr);
    const ClassContrast least = class_contrasts(figures)[1];
    CHECK(least.contextual_mean.mean == 2.5);
    CHECK(std::isnan(least.structural_mean.mean));
    CHECK(std::isnan(least.area.mean));
    CHECK(std::isnan(least.ratio.low));
    CHECK(std::isnan(figure_correlations(figures)[1].rho.mean));
    CHECK_FALSE(figure_correlations(figures)[1].excludes_zero());
  }

  TEST_CASE("heads that share keys and values have one cost and are drawn together") {
    const Sensitivity sensitivity = sensitivity_of(small_model(2), {5, 7}, {0.4, 0.3});
    const HeadClassification heads = classes_of("CSCS");
    const HeadFigures figures = head_figures(sensitivity, &heads, nullptr);
    CHECK(figures.at("cost_least").values == Values{5, 5, 7, 7});
    const ClassContrast least = class_contrasts(figures)[1];
    CHECK(least.contextual_mean == least.structural_mean);
    CHECK(least.ratio == Interval{1.0, 1.0, 1.0});
    CHECK(least.area == Interval{0.5, 0.5, 0.5});
  }

  TEST_CASE("costs by tokens hold every number that was priced") {
    const Sensitivity sensitivity = sensitivity_of(small_model(), {4, 3, 2, 1}, {0.4, 0.3, 0.2, 0.1});
    const HeadClassification heads = classes_of("SSCC");
    const HeadFigures costs = costs_by_tokens(sensitivity, head_figures(sensitivity, &heads, nullptr));
    REQUIRE(costs.figures.size() == 2);
    CHECK(costs.classes.size() == 4);
    CHECK(costs.at("cost_3").values == Values{0.4, 0.3, 0.2, 0.1});
    CHECK(class_contrasts(costs)[1].structural_mean.mean == doctest::Approx(0.35));
  }
}
