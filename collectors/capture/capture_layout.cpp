#include "collectors/capture/capture_layout.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace kvscope {
namespace {

constexpr std::array kStatisticQuantities{
    statistic::kColumnVariance, statistic::kSquareSum,       statistic::kEntropy,  statistic::kFidelity,
    statistic::kSourceMass,     statistic::kSourceSquareSum, statistic::kBandMass, statistic::kSampleColumnMean,
};

constexpr std::array kMeanQuantities{
    mean_statistic::kColumnMean, mean_statistic::kColumnMeanSquare, mean_statistic::kColumnSecondMoment,
    mean_statistic::kValueNorm,  mean_statistic::kKeyRange,         mean_statistic::kValueRange,
    mean_statistic::kOutputMean, mean_statistic::kDisplacement,     mean_statistic::kThumbnail,
};

constexpr std::string_view kNeedsMoreThanTheMap[] = {"fidelity", "value_norm", "key_range", "value_range",
                                                     "output_mean"};

constexpr std::int64_t kDisplacementSide = 2 * kDisplacementRadius + 1;

bool is_range(const CaptureQuantity& quantity) {
  return quantity.name == mean_statistic::kKeyRange.name || quantity.name == mean_statistic::kValueRange.name;
}

std::int64_t axis_extent(char axis, const ModelInfo& model, const StepTable& steps, int step, std::int64_t samples) {
  switch (axis) {
    case 'n':
      return samples;
    case 'b':
      return static_cast<std::int64_t>(model.branches.size());
    case 'l':
      return model.layers;
    case 'h':
      return model.heads;
    case 'g':
      return model.kv_heads;
    case 's':
      return static_cast<std::int64_t>(steps.sources(step).size());
    case 't':
      return steps.n_key(step);
    case 'd':
      return model.head_dim;
    case 'r':
      return static_cast<std::int64_t>(std::size(kBandRadii));
    case '3':
      return 3;
    case 'T':
      return 2 * displacement_time_radius(steps, step) + 1;
    case 'Y':
    case 'X':
      return kDisplacementSide;
    case 'i':
      return thumbnail_shape(steps, step)[0];
    case 'j':
      return thumbnail_shape(steps, step)[1];
    default:
      throw usage_error("capture quantity: unknown axis '{}'", axis);
  }
}

}  // namespace

std::span<const CaptureQuantity> statistic_quantities() noexcept {
  return kStatisticQuantities;
}

std::span<const CaptureQuantity> mean_quantities() noexcept {
  return kMeanQuantities;
}

bool follows_from_map(const CaptureQuantity& quantity) noexcept {
  return std::ranges::find(kNeedsMoreThanTheMap, quantity.name) == std::end(kNeedsMoreThanTheMap);
}

std::string numbered(std::string_view prefix, int number) {
  return fmt::format("{}_{:02}", prefix, number);
}

std::optional<int> number_of(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix) || name.size() < prefix.size() + 2) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size() + 1);
  int number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc() || number < 0 || numbered(prefix, number) != name) return std::nullopt;
  return number;
}

std::string group_path(const CaptureQuantity& quantity, int step) {
  return fmt::format("/{}/{}", is_per_sample(quantity) ? "statistics" : "means", numbered("step", step));
}

std::string dataset_path(const CaptureQuantity& quantity, int step) {
  return fmt::format("{}/{}", group_path(quantity, step), quantity.name);
}

std::string map_path(int layer, int head, int step) {
  return fmt::format("/maps/{}/{}/{}", numbered("layer", layer), numbered("head", head), numbered("step", step));
}

std::vector<AccumulatorPlace> accumulator_places(std::span<const CaptureQuantity> quantities, const ModelInfo& model,
                                                 const StepTable& steps) {
  std::vector<AccumulatorPlace> places;
  std::int64_t offset = 0;
  for (int step = 0; step < steps.size(); ++step) {
    for (const CaptureQuantity& quantity : mean_quantities()) {
      const auto is_it = [&](const CaptureQuantity& other) {
        return other.name == quantity.name && other.axes == quantity.axes;
      };
      if (std::ranges::none_of(quantities, is_it)) continue;
      places.push_back({quantity, step, offset, quantity_shape(quantity, model, steps, step, 0)});
      offset += element_count(places.back().shape);
    }
  }
  return places;
}

bool corresponds(const StepTable& steps, int step, int source) {
  return steps[step].kind == StepKind::kImageGrid && steps[source].kind == StepKind::kImageGrid;
}

int displacement_time_radius(const StepTable& steps, int step) {
  const auto& sources = steps.sources(step);
  const bool is_video =
      std::ranges::any_of(sources, [&](int source) { return corresponds(steps, step, source) && steps[source].t > 1; });
  return is_video ? kDisplacementRadius : 0;
}

std::int64_t displacement_bins(const StepTable& steps, int step) {
  return (2 * displacement_time_radius(steps, step) + 1) * kDisplacementSide * kDisplacementSide;
}

Shape thumbnail_shape(const StepTable& steps, int step) {
  return {std::min<std::int64_t>(steps.n_query(step), kThumbnailSide),
          std::min<std::int64_t>(steps.n_key(step), kThumbnailSide)};
}

Shape quantity_shape(const CaptureQuantity& quantity, const ModelInfo& model, const StepTable& steps, int step,
                     std::int64_t samples) {
  Shape shape;
  for (const char axis : quantity.axes) shape.push_back(axis_extent(axis, model, steps, step, samples));
  return shape;
}

Shape map_shape(const ModelInfo& model, const StepTable& steps, int step, std::int64_t samples) {
  return {samples, static_cast<std::int64_t>(model.branches.size()), steps.n_query(step), steps.n_key(step)};
}

std::string describe_shape(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Array<float> means_of_sums(const CaptureQuantity& quantity, const Array<double>& sums, std::int64_t samples) {
  Array<float> means(sums.shape());
  const double divisor = static_cast<double>(std::max<std::int64_t>(samples, 1));
  const std::int64_t channels = is_range(quantity) ? sums.shape().back() : 0;
  for (std::int64_t i = 0; i < sums.size(); ++i) {
    const bool is_extreme = is_range(quantity) && i / channels % 3 < 2;
    const double value = sums.data()[i];
    means.data()[i] = static_cast<float>(is_extreme ? value : value / divisor);
  }
  return means;
}

}  // namespace kvscope
