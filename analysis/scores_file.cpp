#include "analysis/scores.h"
#include "collectors/hdf5/hdf5_document.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-scores";
constexpr int kVersion = 1;
constexpr std::int64_t kMostSamples = std::int64_t{1} << 31;

// The names below a score's group; the order of HeadScoreValues.
constexpr std::string_view kSummaries[] = {"mean", "standard_deviation", "low", "high"};

std::string score_path(const HeadScore& score, std::string_view dataset) {
  return fmt::format("/scores/{}/{}", score.name, dataset);
}

std::string describe_shape(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Shape summary_shape(const Scores& scores, const HeadScore& score) {
  Shape shape{std::ssize(scores.model.branches), scores.model.layers, scores.model.heads, scores.steps.size()};
  if (score.per_source) shape.push_back(scores.steps.size());
  return shape;
}

void write_score(Hdf5File& file, const HeadScore& score, const HeadScoreValues& values) {
  const Array<double>* const summaries[] = {&values.mean, &values.deviation, &values.low, &values.high};
  for (std::size_t i = 0; i < std::size(kSummaries); ++i) file.write(score_path(score, kSummaries[i]), *summaries[i]);
  if (!values.samples.empty()) file.write(score_path(score, "samples"), values.samples, {.checksum = true});
  if (!values.stability.empty()) file.write(score_path(score, "stability"), values.stability);
  const std::string group = fmt::format("/scores/{}", score.name);
  file.set_attribute(group, "unit", score.unit);
  file.set_attribute(group, "range", score.range);
  file.set_attribute(group, "description", score.description);
  file.set_attribute(group, "higher_means", higher_means_name(score.higher_means));
  file.set_attribute(group, "axes",
                     score.per_source ? "branch, layer, head, step, source step" : "branch, layer, head, step");
}

void write_all(Hdf5File& file, const Scores& scores) {
  file.set_attribute("/", "format", kFormat);
  file.set_attribute("/", "version", std::int64_t{kVersion});
  file.set_attribute("/", "samples", scores.samples);
  file.set_attribute("/", "complete", std::int64_t{scores.complete});
  file.set_attribute("/", "band_radius", std::int64_t{scores.band_radius});
  file.set_attribute("/", "model", to_json(scores.model).dump());
  file.set_attribute("/", "steps", to_json(scores.steps).dump());
  file.set_attribute("/", "run", scores.run.dump());
  file.set_attribute("/", "made_from", scores.made_from.dump());
  const std::vector<std::string> axes(std::begin(kStabilityAxes), std::end(kStabilityAxes));
  file.set_attribute("/", "stability_axes", std::span<const std::string>(axes));
  for (const HeadScore& score : head_scores()) {
    if (scores.has(score)) write_score(file, score, scores.at(score));
  }
}

/// A dataset of just this shape.
template <typename T>
Array<T> read_shaped(const Hdf5File& file, const std::string& dataset, const Shape& expected) {
  if (!file.is_dataset(dataset)) throw bad_input("{}: dataset '{}' is missing", file.path().string(), dataset);
  if (file.shape(dataset) != expected) {
    throw bad_input("{}: dataset '{}' has shape {}, expected {}", file.path().string(), dataset,
                    describe_shape(file.shape(dataset)), describe_shape(expected));
  }
  return file.read<T>(dataset);
}

template <typename T>
void check_not_infinite(const Hdf5File& file, const std::string& dataset, const Array<T>& values) {
  if (std::ranges::any_of(values.values(), [](T value) { return std::isinf(value); })) {
    throw bad_input("{}: dataset '{}' holds an infinite value", file.path().string(), dataset);
  }
}

void check_order(const Hdf5File& file, const HeadScore& score, const HeadScoreValues& values) {
  for (std::size_t i = 0; i < values.low.values().size(); ++i) {
    if (values.low.values()[i] > values.high.values()[i]) {
      throw bad_input("{}: dataset '{}' is above '{}' at place {}", file.path().string(), score_path(score, "low"),
                      score_path(score, "high"), i);
    }
    if (values.deviation.values()[i] < 0.0) {
      throw bad_input("{}: dataset '{}' is negative at place {}", file.path().string(),
                      score_path(score, kSummaries[1]), i);
    }
  }
}

HeadScoreValues read_score(const Hdf5File& file, const Scores& scores, const HeadScore& score) {
  HeadScoreValues values;
  const Shape shape = summary_shape(scores, score);
  Array<double>* const summaries[] = {&values.mean, &values.deviation, &values.low, &values.high};
  for (std::size_t i = 0; i < std::size(kSummaries); ++i) {
    const std::string dataset = score_path(score, kSummaries[i]);
    *summaries[i] = read_shaped<double>(file, dataset, shape);
    check_not_infinite(file, dataset, *summaries[i]);
  }
  check_order(file, score, values);
  if (score.per_source) return values;
  if (score.per_sample) {
    Shape with_samples = shape;
    with_samples.insert(with_samples.begin(), scores.samples);
    values.samples = read_shaped<float>(file, score_path(score, "samples"), with_samples);
    check_not_infinite(file, score_path(score, "samples"), values.samples);
  }
  values.stability =
      read_shaped<double>(file, score_path(score, "stability"), {std::ssize(kStabilityAxes), shape[0], shape[3], 2});
  return values;
}

Scores read_header(const Hdf5File& file) {
  const std::string name = file.path().string();
  Scores scores;
  scores.samples = file.integer_attribute("/", "samples");
  if (scores.samples < 1 || scores.samples > kMostSamples) {
    throw bad_input("{}: attribute 'samples' is {}, expected at least 1", name, scores.samples);
  }
  scores.complete = file.integer_attribute("/", "complete") != 0;
  scores.band_radius = static_cast<int>(file.integer_attribute("/", "band_radius"));
  scores.model = model_info_from_json(json_attribute(file, "model"), name);
  scores.steps = step_table_from_json(json_attribute(file, "steps"), name);
  scores.run = json_attribute(file, "run");
  scores.made_from = json_attribute(file, "made_from");
  return scores;
}

}  // namespace

void write_scores(const std::filesystem::path& path, const Scores& scores) {
  replace_hdf5_file(path, [&](Hdf5File& file) { write_all(file, scores); });
}

Scores read_scores(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  check_hdf5_format(file, kFormat, kVersion);
  Scores scores = read_header(file);
  for (const HeadScore& score : head_scores()) {
    if (file.has(fmt::format("/scores/{}", score.name)))
      scores.values.emplace(score.name, read_score(file, scores, score));
  }
  if (scores.values.empty()) throw bad_input("{}: holds no score", path.string());
  return scores;
}

}  // namespace kvscope
