#include "collectors/capture/capture_check.h"

#include "collectors/capture/capture.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/hdf5/hdf5_file.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

namespace kvscope {
namespace {

// Sums of up to 10^4 rounded float32 values, written by programs that accumulate in float32 or less.
constexpr double kTolerance = 1e-3;

/// Position of element `i` of an array, for messages.
std::string position(const Shape& shape, std::int64_t i) {
  Shape place(shape.size(), 0);
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    place[axis] = i % shape[axis];
    i /= shape[axis];
  }
  return describe_shape(place);
}

/// Runs every rule over one capture.
class CaptureCheck {
 public:
  explicit CaptureCheck(const Capture& capture) : capture_(capture), file_(Hdf5File::open(capture.path())) {}

  std::vector<CaptureFinding> run() {
    check_header();
    guarded("/samples", [&] { check_samples(); });
    for (int step = 0; step < capture_.steps().size(); ++step) {
      for (const CaptureQuantity& quantity : statistic_quantities()) check_quantity(quantity, step);
      for (const CaptureQuantity& quantity : mean_quantities()) check_quantity(quantity, step);
      guarded(group_path(statistic::kSourceMass, step), [&] { check_laws(step); });
    }
    for (const CapturedMap& map : capture_.maps()) {
      guarded(map_path(map.layer, map.head, map.step), [&] { check_map(map); });
    }
    return findings_;
  }

 private:
  void add(Severity severity, std::string place, std::string message) {
    findings_.push_back({severity, std::move(place), std::move(message)});
  }

  /// A file that cannot be read further (a damaged chunk, a wrong element type) is a finding, too.
  void guarded(const std::string& place, const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& failure) {
      add(Severity::kError, place, failure.what());
    }
  }

  /// What follows from raw maps is as good as they are.
  [[nodiscard]] bool is_stored(const CaptureQuantity& quantity, int step) const {
    return file_.has(dataset_path(quantity, step));
  }

  void check_header() {
    if (!capture_.complete())
      add(Severity::kWarning, "/@complete",
          fmt::format("the run was not finished; it has {} samples", capture_.samples()));
    if (capture_.samples() == 0) add(Severity::kWarning, "/@samples", "the capture holds no sample");
    if (capture_.model().fingerprint.empty())
      add(Severity::kWarning, "/@model", "the model has no fingerprint, so nothing can check that plans fit it");
    bool has_variance = true;
    for (int step = 0; step < capture_.steps().size(); ++step)
      has_variance = has_variance && capture_.has(statistic::kColumnVariance, step);
    if (!has_variance) {
      add(Severity::kError, dataset_path(statistic::kColumnVariance, capture_.steps().size() - 1),
          "neither the column variance nor the raw maps of all heads are there for every step");
    }
  }

  void check_samples() {
    if (capture_.labels().empty() && capture_.samples() > 0)
      add(Severity::kWarning, "/samples/label", "the capture does not say what its samples are of");
    (void)capture_.seeds();
    const auto tokens = capture_.tokens();
    const auto negative = std::ranges::find_if(tokens.values(), [](std::int32_t token) { return token < 0; });
    if (negative != tokens.values().end())
      add(Severity::kError, "/samples/tokens", fmt::format("holds the token {}", *negative));
    const auto bits = capture_.bits();
    const auto wrong = std::ranges::find_if(bits.values(), [](std::uint8_t bit) { return bit > 1; });
    if (wrong != bits.values().end()) add(Severity::kError, "/samples/bits", fmt::format("holds the bit {}", *wrong));
    (void)capture_.prompts();
    (void)capture_.images();
  }

  void check_quantity(const CaptureQuantity& quantity, int step) {
    const std::string place = dataset_path(quantity, step);
    if (!is_stored(quantity, step)) return;
    guarded(place, [&] {
      const auto values = capture_.read(quantity, step);
      check_range(quantity, step, values, place);
    });
  }

  void check_range(const CaptureQuantity& quantity, int step, const Array<float>& values, const std::string& place) {
    const auto [low, high] = range_of(quantity, step);
    for (std::int64_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<double>(values.data()[i]);
      if (!std::isfinite(value))
        return add(Severity::kError, place, fmt::format("{} at {} is no number", value, position(values.shape(), i)));
      if (value < low - kTolerance || value > high + kTolerance * std::max(1.0, std::abs(high))) {
        return add(
            Severity::kError, place,
            fmt::format("{:.6g} at {} is outside {:.6g} to {:.6g}", value, position(values.shape(), i), low, high));
      }
    }
  }

  [[nodiscard]] std::pair<double, double> range_of(const CaptureQuantity& quantity, int step) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (quantity.name == statistic::kEntropy.name)
      return {0, std::log(static_cast<double>(capture_.steps().n_key(step)))};
    const bool is_signed = quantity.name == mean_statistic::kKeyRange.name ||
                           quantity.name == mean_statistic::kValueRange.name ||
                           quantity.name == mean_statistic::kOutputMean.name;
    if (is_signed) return {-kInfinity, kInfinity};
    const bool is_norm = quantity.name == statistic::kFidelity.name || quantity.name == mean_statistic::kValueNorm.name;
    return {0, is_norm ? kInfinity : 1};
  }

  [[nodiscard]] std::optional<Array<float>> read(const CaptureQuantity& quantity, int step) const {
    if (!is_stored(quantity, step)) return std::nullopt;
    return capture_.read(quantity, step);
  }

  /// Relations between quantities, and sums over their last axis.
  void check_laws(int step) {
    if (capture_.samples() == 0) return;
    const auto source_mass = read(statistic::kSourceMass, step);
    const auto square_sum = read(statistic::kSquareSum, step);
    if (source_mass) check_sums(*source_mass, nullptr, dataset_path(statistic::kSourceMass, step));
    for (const auto& quantity : {statistic::kSampleColumnMean, mean_statistic::kColumnMean}) {
      if (const auto mean = read(quantity, step)) check_sums(*mean, nullptr, dataset_path(quantity, step));
    }
    if (const auto squares = read(statistic::kSourceSquareSum, step); squares && square_sum) {
      check_sums(*squares, &*square_sum, dataset_path(statistic::kSourceSquareSum, step));
    }
    if (const auto variance = read(statistic::kColumnVariance, step); variance && square_sum)
      check_variance(*variance, *square_sum, step);
    if (const auto bands = read(statistic::kBandMass, step); bands && source_mass)
      check_bands(*bands, *source_mass, step);
    if (const auto displacement = read(mean_statistic::kDisplacement, step); displacement && source_mass) {
      check_displacement(*displacement, *source_mass, step);
    }
  }

  /// Sums over the last axis are those of `expected`, or 1.
  void check_sums(const Array<float>& values, const Array<float>* expected, const std::string& place) {
    const std::int64_t inner = values.shape().back();
    for (std::int64_t row = 0; row < values.size() / inner; ++row) {
      double sum = 0;
      for (std::int64_t i = 0; i < inner; ++i) sum += static_cast<double>(values.data()[row * inner + i]);
      const double wanted = expected == nullptr ? 1.0 : static_cast<double>(expected->data()[row]);
      if (std::abs(sum - wanted) > kTolerance) {
        Shape outer = values.shape();
        outer.pop_back();
        return add(Severity::kError, place,
                   fmt::format("sums to {:.6g} at {}, expected {:.6g}", sum, position(outer, row), wanted));
      }
    }
  }

  void check_variance(const Array<float>& variance, const Array<float>& square_sum, int step) {
    for (std::int64_t i = 0; i < variance.size(); ++i) {
      if (variance.data()[i] > square_sum.data()[i] + static_cast<float>(kTolerance)) {
        return add(Severity::kError, dataset_path(statistic::kColumnVariance, step),
                   fmt::format("{:.6g} at {} is above the square sum {:.6g}", variance.data()[i],
                               position(variance.shape(), i), square_sum.data()[i]));
      }
    }
  }

  void check_bands(const Array<float>& bands, const Array<float>& source_mass, int step) {
    const std::int64_t radii = bands.shape().back();
    for (std::int64_t i = 0; i < bands.size(); ++i) {
      const bool is_last = i % radii == radii - 1;
      const float bound = is_last ? source_mass.data()[i / radii] : bands.data()[i + 1];
      if (bands.data()[i] > bound + static_cast<float>(kTolerance)) {
        return add(Severity::kError, dataset_path(statistic::kBandMass, step),
                   fmt::format("{:.6g} at {} is above {} {:.6g}", bands.data()[i], position(bands.shape(), i),
                               is_last ? "the mass of its source," : "that of the next radius,", bound));
      }
    }
  }

  /// Between grids, a head's displacement histogram sums to its mean source mass.
  void check_displacement(const Array<float>& displacement, const Array<float>& source_mass, int step) {
    const auto& sources = capture_.steps().sources(step);
    const auto n_source = static_cast<std::int64_t>(sources.size());
    const std::int64_t bins = displacement_bins(capture_.steps(), step);
    const std::int64_t cells = displacement.size() / bins;
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      double sum = 0;
      double mass = 0;
      for (std::int64_t bin = 0; bin < bins; ++bin) sum += static_cast<double>(displacement.data()[cell * bins + bin]);
      for (std::int64_t sample = 0; sample < capture_.samples(); ++sample)
        mass += static_cast<double>(source_mass.data()[sample * cells + cell]);
      mass /= static_cast<double>(capture_.samples());
      if (!corresponds(capture_.steps(), step, sources[static_cast<std::size_t>(cell % n_source)])) mass = 0;
      if (std::abs(sum - mass) > kTolerance) {
        Shape outer(displacement.shape().begin(), displacement.shape().end() - 3);
        return add(
            Severity::kError, dataset_path(mean_statistic::kDisplacement, step),
            fmt::format("sums to {:.6g} at {}, expected the source's mass {:.6g}", sum, position(outer, cell), mass));
      }
    }
  }

  void check_map(const CapturedMap& map) {
    const std::string place = map_path(map.layer, map.head, map.step);
    for (std::int64_t sample = 0; sample < capture_.map_samples(); ++sample) {
      for (int branch = 0; branch < static_cast<int>(capture_.model().branches.size()); ++branch) {
        const auto weights = capture_.read_map(map.layer, map.head, map.step, sample, branch);
        for (std::int64_t query = 0; query < weights.extent(0); ++query) {
          double sum = 0;
          bool is_probability = true;
          for (const float weight : weights.slice(query)) {
            sum += static_cast<double>(weight);
            is_probability = is_probability && weight >= 0.0F;  // false for not-a-number, too
          }
          if (!is_probability || !(std::abs(sum - 1) <= kTolerance)) {
            return add(
                Severity::kError, place,
                fmt::format("row {} of sample {}, branch {} sums to {:.6g}{}, expected probabilities that sum to 1",
                            query, sample, branch, sum, is_probability ? "" : " with negative or no numbers"));
          }
        }
      }
    }
  }

  const Capture& capture_;
  Hdf5File file_;
  std::vector<CaptureFinding> findings_;
};

}  // namespace

std::vector<CaptureFinding> check_capture(const std::filesystem::path& path) {
  (void)Hdf5File::open(path);
  try {
    return CaptureCheck(Capture::open(path)).run();
  } catch (const Error& failure) {
    std::string message = failure.what();
    const std::string prefix = path.string() + ": ";
    if (message.starts_with(prefix)) message.erase(0, prefix.size());
    return {{Severity::kError, "/", message}};
  }
}

std::string describe(const CaptureFinding& finding) {
  return fmt::format("{}: {}: {}", finding.severity == Severity::kError ? "error" : "warning", finding.place,
                     finding.message);
}

}  // namespace kvscope
