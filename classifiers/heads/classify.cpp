#include "classifiers/heads/classify.h"

#include "analysis/agreement.h"
#include "analysis/interval.h"
#include "analysis/stability.h"
#include "classifiers/heads/mixture.h"
#include "classifiers/heads/modality.h"
#include "collectors/base/parallel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace kvscope {
namespace {

constexpr int kHalvings = 200;

/// Everything the classification of one set of scores yields, in the method's scale.
struct HeadSplit {
  std::vector<double> values;               ///< [heads of all layers]
  std::vector<std::uint8_t> is_contextual;  ///< [heads of all layers]
  double threshold = 0.0;                   ///< contextual below
  std::optional<TwoGaussians> mixture;      ///< empty where alpha decides or all values are equal
};

const ClassifierMethod& method_of(const ClassifyOptions& options) {
  const auto all = classifier_methods();
  const auto method = std::ranges::find(all, options.method, &ClassifierMethod::name);
  if (method == all.end()) {
    std::vector<std::string_view> names;
    for (const ClassifierMethod& known : all) names.push_back(known.name);
    throw usage_error("unknown method '{}', expected one of {}", options.method, fmt::join(names, ", "));
  }
  if (method->needs_alpha && !options.alpha) {
    throw usage_error("method '{}' needs alpha, the share of contextual heads; '{}' finds it itself", method->name,
                      "elbow");
  }
  if (!method->takes_alpha && options.alpha) throw usage_error("method '{}' takes no alpha", method->name);
  if (options.alpha && !(*options.alpha >= 0.0 && *options.alpha <= 1.0)) {
    throw usage_error("alpha is {}, expected a number in [0, 1]", *options.alpha);
  }
  return *method;
}

int step_of(const Scores& scores, const ClassifyOptions& options) {
  const int last = scores.steps.size() - 1;
  if (options.step && (*options.step < 0 || *options.step > last)) {
    throw usage_error("step {} is not among the {} steps, expected 0 to {}", *options.step, last + 1, last);
  }
  return options.step.value_or(last);
}

HeadSplit split_at_fraction(std::vector<double> values, double alpha) {
  const std::int64_t count = contextual_count(std::ssize(values), alpha);
  HeadSplit split{std::move(values), {}, 0.0, {}};
  split.is_contextual = smallest(split.values, count);
  std::vector<double> sorted = split.values;
  std::ranges::sort(sorted);
  const auto last = static_cast<std::int64_t>(sorted.size()) - 1;
  const double below = sorted[static_cast<std::size_t>(std::max<std::int64_t>(count - 1, 0))];
  const double above = sorted[static_cast<std::size_t>(std::min(count, last))];
  split.threshold = below + 0.5 * (above - below);
  return split;
}

HeadSplit split_by_mixture(std::vector<double> values) {
  HeadSplit split{std::move(values), {}, 0.0, {}};
  split.mixture = fit_two_gaussians(split.values);
  // Heads that are all alike are structural: the class that is compressed less.
  split.threshold = split.mixture ? split.mixture->threshold : *std::ranges::min_element(split.values);
  for (const double value : split.values) split.is_contextual.push_back(value < split.threshold ? 1 : 0);
  return split;
}

/// Classifies heads by their mean scores.
HeadSplit split_heads(std::span<const double> scores, const ClassifierMethod& method, std::optional<double> alpha) {
  std::vector<double> values(scores.begin(), scores.end());
  if (method.logarithmic) {
    for (double& value : values) value = std::log(std::max(value, kSmallestScore));
  }
  return alpha ? split_at_fraction(std::move(values), *alpha) : split_by_mixture(std::move(values));
}

/// The scores of one branch and step: what is classified.
struct ScoredHeads {
  std::vector<double> means;  ///< [heads of all layers]
  Array<double> samples;      ///< [samples, heads of all layers]; empty for scores without samples
};

ScoredHeads scored_heads(const Scores& scores, const ClassifierMethod& method, int branch, int step) {
  const HeadScoreValues& found = scores.at(method.score);
  ScoredHeads result;
  const std::int64_t heads = std::int64_t{scores.model.layers} * scores.model.heads;
  if (!found.samples.empty()) result.samples = Array<double>({scores.samples, heads});
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) {
      const auto place = static_cast<std::int64_t>(result.means.size());
      result.means.push_back(found.mean(branch, layer, head, step));
      if (!std::isfinite(result.means.back())) {
        throw bad_input("scores: '{}' is not defined at step {} for layer {}, head {} ({} branch)", method.score.name,
                        step, layer, head, scores.model.branches[static_cast<std::size_t>(branch)]);
      }
      for (std::int64_t i = 0; !found.samples.empty() && i < scores.samples; ++i) {
        result.samples(i, place) = found.samples(i, branch, layer, head, step);
      }
    }
  }
  return result;
}

/// Mean over samples with these weights.
std::vector<double> weighted_means(const Array<double>& samples, std::span<const double> weights) {
  std::vector<double> means(static_cast<std::size_t>(samples.extent(1)), 0.0);
  double total = 0.0;
  for (std::int64_t i = 0; i < samples.extent(0); ++i) {
    const double weight = weights[static_cast<std::size_t>(i)];
    if (weight == 0.0) continue;
    total += weight;
    const auto row = samples.slice(i);
    for (std::size_t head = 0; head < means.size(); ++head) means[head] += weight * row[head];
  }
  for (double& mean : means) mean /= total;
  return means;
}

/// Weights of one half of the samples at random, 1 or 0; the others' are 1 minus these (an odd one is in neither).
std::pair<std::vector<double>, std::vector<double>> random_halves(std::int64_t samples, std::mt19937_64& generator) {
  std::vector<std::size_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[generator() % i]);  // Fisher and Yates
  std::pair<std::vector<double>, std::vector<double>> halves{std::vector<double>(order.size(), 0.0),
                                                             std::vector<double>(order.size(), 0.0)};
  const std::size_t half = order.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    halves.first[order[i]] = 1.0;
    halves.second[order[half + i]] = 1.0;
  }
  return halves;
}

Json spread_of(std::vector<double> figures) {
  std::ranges::sort(figures);
  const auto at = [&](double share) {
    return figures[static_cast<std::size_t>(share * static_cast<double>(figures.size() - 1))];
  };
  const double mean = std::accumulate(figures.begin(), figures.end(), 0.0) / static_cast<double>(figures.size());
  return {{"mean", mean}, {"low", at(0.025)}, {"high", at(0.975)}};
}

/// The classification repeated on resampled samples.
class Resampling {
 public:
  Resampling(const ScoredHeads& heads, const HeadSplit& whole, const ClassifierMethod& method,
             const ClassifyOptions& options)
      : heads_(heads), whole_(whole), method_(method), options_(options) {}

  /// Share of the resamples in which each head is of its class; adds the Jaccard figures to `stability`.
  std::vector<double> confidence(Json& stability) const {
    const MeanBootstrap bootstrap(heads_.samples.extent(0), kBootstrapDraws, options_.seed);
    std::vector<std::vector<std::uint8_t>> sets(static_cast<std::size_t>(kBootstrapDraws));
    parallel_for(kBootstrapDraws, [&](std::int64_t draw) {
      sets[static_cast<std::size_t>(draw)] = contextual(bootstrap.counts(static_cast<int>(draw)));
    });
    std::vector<double> same(whole_.is_contextual.size(), 0.0);
    std::vector<double> jaccards;
    for (const auto& set : sets) {
      jaccards.push_back(jaccard(agreement(set, whole_.is_contextual)));
      for (std::size_t head = 0; head < set.size(); ++head)
        same[head] += set[head] == whole_.is_contextual[head] ? 1.0 : 0.0;
    }
    for (double& share : same) share /= kBootstrapDraws;
    stability["resamples"] = kBootstrapDraws;
    stability["jaccard_resamples"] = spread_of(std::move(jaccards));
    stability["jaccard_halves"] = spread_of(halves());
    return same;
  }

 private:
  std::vector<std::uint8_t> contextual(std::span<const double> weights) const {
    return split_heads(weighted_means(heads_.samples, weights), method_, options_.alpha).is_contextual;
  }

  std::vector<double> halves() const {
    std::mt19937_64 generator(options_.seed);
    std::vector<std::pair<std::vector<double>, std::vector<double>>> pairs;
    for (int i = 0; i < kHalvings; ++i) pairs.push_back(random_halves(heads_.samples.extent(0), generator));
    std::vector<double> jaccards(pairs.size());
    parallel_for(kHalvings, [&](std::int64_t i) {
      const auto& pair = pairs[static_cast<std::size_t>(i)];
      jaccards[static_cast<std::size_t>(i)] = jaccard(agreement(contextual(pair.first), contextual(pair.second)));
    });
    return jaccards;
  }

  const ScoredHeads& heads_;
  const HeadSplit& whole_;
  const ClassifierMethod& method_;
  const ClassifyOptions& options_;
};

Json to_json(const MixtureComponent& component) {
  return {{"weight", component.weight}, {"mean", component.mean}, {"standard_deviation", component.deviation}};
}

Json split_json(const HeadSplit& split, const ClassifierMethod& method) {
  const auto contextual = std::accumulate(split.is_contextual.begin(), split.is_contextual.end(), std::int64_t{0});
  Json json{{"threshold", method.logarithmic ? std::exp(split.threshold) : split.threshold},
            {"contextual", contextual},
            {"contextual_share", static_cast<double>(contextual) / static_cast<double>(split.is_contextual.size())}};
  if (!split.mixture) return json;
  json["scale"] = method.logarithmic ? "natural logarithm of the score" : "the score";
  const double one_mode_p = one_mode_probability(split.values);
  json["separation"] = separation_name(separation(*split.mixture, one_mode_p));
  json["bic_difference"] = split.mixture->bic_difference;
  json["ashman_d"] = split.mixture->ashman_d;
  json["one_mode_p"] = one_mode_p;
  json["equal_deviations"] = split.mixture->equal_deviations;
  json["low"] = to_json(split.mixture->low);
  json["high"] = to_json(split.mixture->high);
  return json;
}

Json parameters_json(const Scores& scores, const ClassifierMethod& method, const ClassifyOptions& options, int step) {
  Json json{{"score", method.score.name}, {"branch", options.branch}, {"step", step}, {"seed", options.seed}};
  if (method.takes_alpha) json["alpha"] = options.alpha ? Json(*options.alpha) : Json();
  if (method.score.name == head_score::kBandExcess.name) json["band_radius"] = scores.band_radius;
  return json;
}

Json borderline_json(const HeadClassification& classification) {
  Json list = Json::array();
  for (const ClassifiedHead& head : classification.borderline()) {
    list.push_back({{"layer", head.layer}, {"head", head.head}, {"confidence", *head.confidence}});
  }
  return list;
}

std::vector<ClassifiedHead> verdicts(const Scores& scores, const ScoredHeads& heads, const HeadSplit& split) {
  std::vector<ClassifiedHead> result;
  for (std::size_t i = 0; i < heads.means.size(); ++i) {
    ClassifiedHead head;
    head.layer = static_cast<int>(i) / scores.model.heads;
    head.head = static_cast<int>(i) % scores.model.heads;
    head.head_class = split.is_contextual[i] != 0 ? HeadClass::kContextual : HeadClass::kStructural;
    head.score = heads.means[i];
    head.margin = std::abs(split.values[i] - split.threshold);
    if (split.mixture) head.posterior = split.mixture->low_posterior(split.values[i]);
    result.push_back(head);
  }
  return result;
}

}  // namespace

std::span<const ClassifierMethod> classifier_methods() noexcept {
  static constexpr std::array kAll = {
      ClassifierMethod{
          "variance", head_score::kColumnVariance, false, true, true,
          "the share alpha of heads with the lowest column variance is contextual (HACK, arXiv 2504.09261)"},
      ClassifierMethod{"elbow", head_score::kColumnVariance, true, false, false,
                       "splits the logarithm of the column variance where a mixture of two normal distributions does"},
      ClassifierMethod{"diagonal", head_score::kBandExcess, false, false, true,
                       "splits the attention on the diagonal bands beyond chance: by a mixture, or by alpha if given"},
      ClassifierMethod{"semantic-center", head_score::kSemanticDistance, false, false, true,
                       "splits the distance of a head's output from its layer's mean head (Task-KV, arXiv 2501.15113): "
                       "by a mixture, or by alpha if given"}};
  return kAll;
}

std::int64_t contextual_count(std::int64_t heads, double alpha) {
  // 0.35 * 900 is 314.99999999999994 in double; the small addition restores what was meant, 315.
  return static_cast<std::int64_t>(std::floor(alpha * static_cast<double>(heads) + 1e-9));
}

HeadClassification classify_heads(const Scores& scores, const ClassifyOptions& options) {
  const ClassifierMethod& method = method_of(options);
  const int step = step_of(scores, options);
  const ScoredHeads heads = scored_heads(scores, method, branch_index(scores.model, options.branch), step);
  const HeadSplit split = split_heads(heads.means, method, options.alpha);

  HeadClassification result;
  result.method = method.name;
  result.parameters = parameters_json(scores, method, options, step);
  result.layers = scores.model.layers;
  result.heads_per_layer = scores.model.heads;
  result.model = scores.model;
  result.made_from = scores.made_from;
  result.heads = verdicts(scores, heads, split);
  result.stability = {{"samples", scores.samples}};
  // One sample resampled is itself: it would always agree, and say nothing.
  if (!heads.samples.empty() && scores.samples >= 2) {
    const RankingAgreement ranking = sample_stability(heads.samples, method.score.higher_means);
    result.stability["rank_correlation"] = ranking.rank_correlation;
    const auto confidence = Resampling(heads, split, method, options).confidence(result.stability);
    for (std::size_t i = 0; i < confidence.size(); ++i) result.heads[i].confidence = confidence[i];
    result.stability["borderline"] = borderline_json(result);
  }
  result.stability["split"] = split_json(split, method);
  return result;
}

}  // namespace kvscope
