#include "reports/atlas/atlas_data.h"
#include "reports/atlas/encoding.h"
#include "reports/figures/score_figures.h"

namespace kvscope {
namespace {

/// Conditional rows, as in the classification.
constexpr int kBranch = 0;

/// [head, step] of one branch.
Json branch_values(const Array<double>& values, const Scores& scores) {
  std::vector<float> flat;
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) {
      for (const double value : values.slice(kBranch, layer, head)) flat.push_back(static_cast<float>(value));
    }
  }
  return float_array(flat, {std::int64_t{scores.model.layers} * scores.model.heads, scores.steps.size()});
}

/// [head, sample] of one branch at the last step.
Json sample_values(const Array<float>& samples, const Scores& scores) {
  const int last = scores.steps.size() - 1;
  std::vector<float> flat;
  for (int layer = 0; layer < scores.model.layers; ++layer) {
    for (int head = 0; head < scores.model.heads; ++head) {
      for (std::int64_t sample = 0; sample < samples.extent(0); ++sample)
        flat.push_back(samples(sample, kBranch, layer, head, last));
    }
  }
  return float_array(flat, {std::int64_t{scores.model.layers} * scores.model.heads, samples.extent(0)});
}

Json score_json(const HeadScore& score, const Scores& scores, const ValueScale& scale) {
  const HeadScoreValues& values = scores.at(score);
  Json json{{"name", score.name},
            {"title", score_title(score)},
            {"unit", score.unit},
            {"description", score.description},
            {"higher_means", higher_means_name(score.higher_means)},
            {"low", scale.low()},
            {"high", scale.high()},
            {"logarithmic", scale.kind() == ValueScale::Kind::kLogarithmic},
            {"mean", branch_values(values.mean, scores)}};
  if (score.per_sample) {
    json["interval_low"] = branch_values(values.low, scores);
    json["interval_high"] = branch_values(values.high, scores);
    json["deviation"] = branch_values(values.deviation, scores);
  }
  if (!values.samples.empty()) json["samples"] = sample_values(values.samples, scores);
  return json;
}

}  // namespace

Json atlas_scores(const ReportInputs& inputs) {
  Json list = Json::array();
  if (!inputs.scores || inputs.scores->steps.size() == 0) return list;
  for (const HeadScore& score : head_scores()) {
    if (score.per_source || !inputs.scores->has(score)) continue;
    const auto scale = score_scale_of_run(*inputs.scores, score);
    if (scale) list.push_back(score_json(score, *inputs.scores, *scale));
  }
  return list;
}

}  // namespace kvscope
