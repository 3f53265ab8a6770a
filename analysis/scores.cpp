#include "analysis/scores.h"

#include "analysis/attention_spread.h"
#include "analysis/band_mass.h"
#include "analysis/interval.h"
#include "analysis/semantic_distance.h"
#include "analysis/verticality.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

namespace kvscope {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

/// Everything per sample that the scores of one step need; empty where the capture does not hold it.
struct StepData {
  std::optional<Array<float>> column_variance;  ///< [n, branch, layer, head]
  std::optional<Array<float>> square_sum;
  std::optional<Array<float>> entropy;
  std::optional<Array<float>> source_mass;  ///< [n, branch, layer, head, S]
  std::optional<Array<float>> band_mass;    ///< [n, branch, layer, head, S, radii]
};

/// All that is read of a capture and may have to be computed from raw maps: in one pass over them.
const std::vector<CaptureQuantity>& quantities_of_scores() {
  static const std::vector<CaptureQuantity> quantities = {statistic::kColumnVariance, statistic::kSquareSum,
                                                          statistic::kEntropy,        statistic::kSourceMass,
                                                          statistic::kBandMass,       mean_statistic::kDisplacement};
  return quantities;
}

/// One (sample, branch, layer, head), as its place in StepData's leading four axes.
using Cell = std::size_t;

class ScoreTable {
 public:
  ScoreTable(const Capture& capture, const ScoreOptions& options);

  void add_step(int step);
  Scores finish();

 private:
  [[nodiscard]] std::size_t heads_of_all() const {
    return static_cast<std::size_t>(std::ssize(model_.branches) * model_.layers * model_.heads);
  }
  [[nodiscard]] HeadScoreValues& at(const HeadScore& score) { return scores_.values.find(score.name)->second; }
  void make_room(const HeadScore& score);
  /// Sets `score` at `step` from a function of the cell, for every sample.
  template <typename Function>
  void set_samples(const HeadScore& score, int step, Function&& value_of);
  void set_map_scores(const StepData& data, int step);
  void set_source_scores(const StepData& data, int step);
  void set_band_scores(const StepData& data, int step);
  void set_band_by_source(const StepData& data, int step, std::span<const double> chance);
  void set_distance(int step);
  void set_semantic_distance(int step);
  void summarise(const HeadScore& score);
  void set_stability(const HeadScore& score);
  void store(HeadScoreValues& values, std::size_t place, const Interval& interval, double deviation) const;

  const Capture& capture_;
  const ModelInfo& model_;
  const StepTable& steps_;
  std::int64_t radius_index_;
  Scores scores_;
  MeanBootstrap bootstrap_;
};

std::int64_t index_of_radius(int radius) {
  const auto found = std::ranges::find(kBandRadii, radius);
  if (found == std::end(kBandRadii)) {
    throw usage_error("band radius {} is not captured, expected one of {}", radius, fmt::join(kBandRadii, ", "));
  }
  return std::distance(std::begin(kBandRadii), found);
}

ScoreTable::ScoreTable(const Capture& capture, const ScoreOptions& options)
    : capture_(capture),
      model_(capture.model()),
      steps_(capture.steps()),
      radius_index_(index_of_radius(options.band_radius)),
      bootstrap_(std::max<std::int64_t>(1, capture.samples())) {
  if (capture.samples() < 1) throw bad_input("{}: holds no samples", capture.path().string());
  scores_.model = model_;
  scores_.steps = steps_;
  scores_.samples = capture.samples();
  scores_.complete = capture.complete();
  scores_.band_radius = options.band_radius;
  scores_.run = capture.run();
  scores_.made_from = {{"capture", {{"path", capture.path().string()}, {"sha256", capture.sha256()}}}};
  for (const HeadScore& score : head_scores()) make_room(score);
}

void ScoreTable::make_room(const HeadScore& score) {
  const std::int64_t branches = std::ssize(model_.branches);
  Shape shape{branches, model_.layers, model_.heads, steps_.size()};
  HeadScoreValues values;
  if (score.per_source) {
    shape.push_back(steps_.size());
  } else {
    values.stability = Array<double>({std::ssize(kStabilityAxes), branches, steps_.size(), 2}, kNothing);
  }
  for (auto* array : {&values.mean, &values.deviation, &values.low, &values.high})
    *array = Array<double>(shape, kNothing);
  if (score.per_sample && !score.per_source) {
    shape.insert(shape.begin(), scores_.samples);
    values.samples = Array<float>(shape, static_cast<float>(kNothing));
  }
  scores_.values.emplace(score.name, std::move(values));
}

template <typename Function>
void ScoreTable::set_samples(const HeadScore& score, int step, Function&& value_of) {
  const auto values = at(score).samples.values();
  const std::size_t cells = values.size() / static_cast<std::size_t>(steps_.size());
  for (Cell cell = 0; cell < cells; ++cell) {
    values[cell * static_cast<std::size_t>(steps_.size()) + static_cast<std::size_t>(step)] =
        static_cast<float>(value_of(cell));
  }
}

void ScoreTable::set_map_scores(const StepData& data, int step) {
  if (data.column_variance) {
    const auto variance = data.column_variance->values();
    set_samples(head_score::kColumnVariance, step, [&](Cell cell) { return variance[cell]; });
    if (data.square_sum) {
      const auto squares = data.square_sum->values();
      set_samples(head_score::kVerticality, step,
                  [&](Cell cell) { return verticality(variance[cell], squares[cell]); });
    }
  }
  if (data.entropy) {
    const auto entropy = data.entropy->values();
    const std::int64_t n_key = steps_.n_key(step);
    set_samples(head_score::kEntropy, step, [&](Cell cell) { return normalised_entropy(entropy[cell], n_key); });
  }
}

/// The [S] masses of one cell in double.
std::vector<double> masses_of(const Array<float>& source_mass, Cell cell, std::size_t sources) {
  const auto row = source_mass.values().subspan(cell * sources, sources);
  return {row.begin(), row.end()};
}

/// The [S] band masses of one cell at one radius.
std::vector<double> bands_of(const Array<float>& band_mass, Cell cell, std::size_t sources, std::int64_t radius_index) {
  const std::size_t radii = std::size(kBandRadii);
  const auto rows = band_mass.values().subspan(cell * sources * radii, sources * radii);
  std::vector<double> bands(sources);
  for (std::size_t s = 0; s < sources; ++s) bands[s] = rows[s * radii + static_cast<std::size_t>(radius_index)];
  return bands;
}

void ScoreTable::set_source_scores(const StepData& data, int step) {
  if (!data.source_mass) return;
  const std::size_t sources = steps_.sources(step).size();
  set_samples(head_score::kSinkMass, step,
              [&](Cell cell) { return sink_mass(steps_, step, masses_of(*data.source_mass, cell, sources)); });
  set_samples(head_score::kHistoryShare, step,
              [&](Cell cell) { return history_share(masses_of(*data.source_mass, cell, sources)); });
}

void ScoreTable::set_band_scores(const StepData& data, int step) {
  if (!data.source_mass || !data.band_mass) return;
  const std::vector<double> chance = chance_band_shares(steps_, step, scores_.band_radius);
  const auto score_of = [&](Cell cell) {
    return band_score(masses_of(*data.source_mass, cell, chance.size()),
                      bands_of(*data.band_mass, cell, chance.size(), radius_index_), chance);
  };
  set_samples(head_score::kBandMass, step, [&](Cell cell) { return score_of(cell).share; });
  set_samples(head_score::kBandExcess, step, [&](Cell cell) { return score_of(cell).excess; });
  set_band_by_source(data, step, chance);
}

void ScoreTable::set_band_by_source(const StepData& data, int step, std::span<const double> chance) {
  HeadScoreValues& values = at(head_score::kBandExcessBySource);
  const std::size_t sources = chance.size();
  const std::size_t heads = heads_of_all();
  for (std::size_t s = 0; s < sources; ++s) {
    Array<double> samples({scores_.samples, static_cast<std::int64_t>(heads)});
    for (Cell cell = 0; cell < samples.values().size(); ++cell) {
      const double mass = data.source_mass->values()[cell * sources + s];
      const double band = bands_of(*data.band_mass, cell, sources, radius_index_)[s];
      samples.values()[cell] = static_cast<float>(band_score({&mass, 1}, {&band, 1}, chance.subspan(s, 1)).excess);
    }
    const std::vector<Interval> intervals = bootstrap_.intervals(samples);
    for (std::size_t head = 0; head < heads; ++head) {
      std::vector<double> column;
      for (std::int64_t i = 0; i < scores_.samples; ++i) column.push_back(samples(i, head));
      const auto k = static_cast<std::size_t>(steps_.size());
      const std::size_t place =
          (head * k + static_cast<std::size_t>(step)) * k + static_cast<std::size_t>(steps_.sources(step)[s]);
      store(values, place, intervals[head], standard_deviation(column));
    }
  }
}

void ScoreTable::set_distance(int step) {
  if (!capture_.has(mean_statistic::kDisplacement, step)) return;
  const Array<float> displacement = capture_.read(mean_statistic::kDisplacement, step);
  const auto time_radius = static_cast<int>((displacement.extent(4) - 1) / 2);
  const auto radius = static_cast<int>((displacement.extent(5) - 1) / 2);
  Array<double>& mean = at(head_score::kDistance).mean;
  for (std::int64_t branch = 0; branch < mean.extent(0); ++branch) {
    for (int layer = 0; layer < model_.layers; ++layer) {
      for (int head = 0; head < model_.heads; ++head) {
        mean(branch, layer, head, step) =
            attention_distance(steps_, step, displacement.slice(branch, layer, head), time_radius, radius);
      }
    }
  }
}

void ScoreTable::set_semantic_distance(int step) {
  if (!capture_.has(mean_statistic::kOutputMean, step)) return;
  const Array<float> outputs = capture_.read(mean_statistic::kOutputMean, step);
  Array<double>& mean = at(head_score::kSemanticDistance).mean;
  for (std::int64_t branch = 0; branch < mean.extent(0); ++branch) {
    for (int layer = 0; layer < model_.layers; ++layer) {
      const auto distances = semantic_distances(outputs.slice(branch, layer), model_.head_dim);
      for (int head = 0; head < model_.heads; ++head) {
        mean(branch, layer, head, step) = distances[static_cast<std::size_t>(head)];
      }
    }
  }
}

void ScoreTable::add_step(int step) {
  const auto read = [&](const CaptureQuantity& quantity) {
    return capture_.has(quantity, step) ? std::optional(capture_.read(quantity, step)) : std::nullopt;
  };
  const StepData data{read(statistic::kColumnVariance), read(statistic::kSquareSum), read(statistic::kEntropy),
                      read(statistic::kSourceMass), read(statistic::kBandMass)};
  set_map_scores(data, step);
  set_source_scores(data, step);
  set_band_scores(data, step);
  set_distance(step);
  set_semantic_distance(step);
}

void ScoreTable::store(HeadScoreValues& values, std::size_t place, const Interval& interval, double deviation) const {
  values.mean.values()[place] = interval.mean;
  values.deviation.values()[place] = deviation;
  values.low.values()[place] = interval.low;
  values.high.values()[place] = interval.high;
}

void ScoreTable::summarise(const HeadScore& score) {
  HeadScoreValues& values = at(score);
  const std::int64_t places = values.mean.size();
  Array<double> samples({scores_.samples, places});
  std::ranges::copy(values.samples.values(), samples.values().begin());
  const std::vector<Interval> intervals = bootstrap_.intervals(samples);
  std::vector<double> column(static_cast<std::size_t>(scores_.samples));
  for (std::int64_t place = 0; place < places; ++place) {
    for (std::int64_t i = 0; i < scores_.samples; ++i) column[static_cast<std::size_t>(i)] = samples(i, place);
    store(values, static_cast<std::size_t>(place), intervals[static_cast<std::size_t>(place)],
          standard_deviation(column));
  }
}

/// The scores of all heads of one branch and step.
std::vector<double> heads_at(const Array<double>& mean, std::int64_t branch, int step) {
  std::vector<double> heads;
  const auto rows = mean.slice(branch);
  for (auto i = static_cast<std::size_t>(step); i < rows.size(); i += static_cast<std::size_t>(mean.extent(3))) {
    heads.push_back(rows[i]);
  }
  return heads;
}

/// The same for every sample, [sample, heads].
Array<double> samples_at(const Array<float>& samples, std::int64_t branch, int step) {
  const std::int64_t heads = samples.extent(2) * samples.extent(3);
  Array<double> result({samples.extent(0), heads});
  for (std::int64_t i = 0; i < samples.extent(0); ++i) {
    const auto rows = samples.slice(i, branch);
    for (std::int64_t head = 0; head < heads; ++head) {
      result(i, head) = rows[static_cast<std::size_t>(head * samples.extent(4) + step)];
    }
  }
  return result;
}

void ScoreTable::set_stability(const HeadScore& score) {
  HeadScoreValues& values = at(score);
  const auto set = [&](StabilityAxis axis, std::int64_t branch, int step, const RankingAgreement& figure) {
    values.stability(static_cast<int>(axis), branch, step, 0) = figure.rank_correlation;
    values.stability(static_cast<int>(axis), branch, step, 1) = figure.jaccard;
  };
  const std::int64_t branches = std::ssize(model_.branches);
  for (std::int64_t branch = 0; branch < branches; ++branch) {
    const std::vector<double> last = heads_at(values.mean, branch, steps_.size() - 1);
    for (int step = 0; step < steps_.size(); ++step) {
      const std::vector<double> own = heads_at(values.mean, branch, step);
      if (score.per_sample) {
        set(StabilityAxis::kSamples, branch, step,
            sample_stability(samples_at(values.samples, branch, step), score.higher_means));
      }
      set(StabilityAxis::kSteps, branch, step, ranking_agreement(own, last, score.higher_means));
      if (branches >= 2) {
        const auto figure =
            ranking_agreement(heads_at(values.mean, 0, step), heads_at(values.mean, 1, step), score.higher_means);
        set(StabilityAxis::kBranches, branch, step, figure);
      }
    }
  }
}

Scores ScoreTable::finish() {
  for (const HeadScore& score : head_scores()) {
    if (score.per_source) continue;
    if (score.per_sample) summarise(score);
    set_stability(score);
  }
  return std::move(scores_);
}

}  // namespace

RankingAgreement HeadScoreValues::stability_over(StabilityAxis axis, int branch, int step) const {
  return {stability(static_cast<int>(axis), branch, step, 0), stability(static_cast<int>(axis), branch, step, 1)};
}

const HeadScoreValues& Scores::at(const HeadScore& score) const {
  const auto found = values.find(score.name);
  if (found == values.end()) throw bad_input("scores: '{}' is not among them", score.name);
  return found->second;
}

Scores compute_scores(const Capture& capture, const ScoreOptions& options, const ScoreProgress& progress) {
  ScoreTable table(capture, options);
  capture.compute_from_maps({.quantities = quantities_of_scores(), .progress = options.progress});
  const int total = capture.steps().size();
  for (int step = 0; step < total; ++step) {
    table.add_step(step);
    if (progress) progress(step + 1, total);
  }
  return table.finish();
}

int branch_index(const ModelInfo& model, std::string_view name) {
  const auto found = std::ranges::find(model.branches, name);
  if (found == model.branches.end()) {
    throw usage_error("branch '{}' is not among those captured: {}", name, fmt::join(model.branches, ", "));
  }
  return static_cast<int>(std::distance(model.branches.begin(), found));
}

}  // namespace kvscope
