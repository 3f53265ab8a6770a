#include "collectors/base/error.h"
#include "collectors/base/stopwatch.h"
#include "collectors/capture/capture.h"
#include "support/paths.h"
#include "tests/benchmarks/benchmarks.h"
#include "tests/benchmarks/python_script.h"

#include <algorithm>
#include <cmath>

namespace kvscope::benchmark {
namespace {

enum class Figures { kMoments, kEntropy };

struct MapStatistics {
  double seconds = 0.0;
  double bytes = 0.0;
  std::vector<double> column_variance;  ///< [head]: last step, first layer, conditional branch, mean over samples
  std::vector<double> entropy;          ///< likewise; empty without entropy
};

/// Mean over samples of a quantity [n, b, l, h] at branch 0, layer 0.
std::vector<double> of_first_layer(const Array<float>& values) {
  std::vector<double> means(static_cast<std::size_t>(values.extent(3)), 0.0);
  for (std::int64_t sample = 0; sample < values.extent(0); ++sample) {
    for (std::size_t head = 0; head < means.size(); ++head) {
      means[head] += static_cast<double>(values(sample, 0, 0, static_cast<std::int64_t>(head))) /
                     static_cast<double>(values.extent(0));
    }
  }
  return means;
}

MapStatistics own_statistics(const std::filesystem::path& file, Figures figures) {
  MapStatistics result;
  const Stopwatch watch;
  const Capture capture = Capture::open(file);
  MapPassRequest request{.quantities = {statistic::kColumnVariance, mean_statistic::kColumnMean}};
  if (figures == Figures::kEntropy) request.quantities.push_back(statistic::kEntropy);
  result.bytes = static_cast<double>(capture.compute_from_maps(request).bytes);
  result.seconds = watch.seconds();
  const int last = capture.steps().size() - 1;
  result.column_variance = of_first_layer(capture.read(statistic::kColumnVariance, last));
  if (figures == Figures::kEntropy) result.entropy = of_first_layer(capture.read(statistic::kEntropy, last));
  return result;
}

MapStatistics numpy_statistics(const std::filesystem::path& file, Figures figures) {
  const Json found =
      run_python("analyze_raw_maps.py", {file.string(), figures == Figures::kEntropy ? "entropy" : "moments"});
  return {.seconds = found.at("seconds").get<double>(),
          .column_variance = found.at("column_variance").get<std::vector<double>>(),
          .entropy = found.at("entropy").get<std::vector<double>>()};
}

double largest_relative_difference(const std::vector<double>& found, const std::vector<double>& expected) {
  require(found.size() == expected.size(), "C7: kvscope and NumPy give different numbers of figures");
  double largest = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(found[i] - expected[i]) / std::abs(expected[i]));
  }
  return largest;
}

/// NumPy sums float32 in float32: a column variance, a difference of two sums, keeps some 1e-5.
double checked_difference(const MapStatistics& ours, const MapStatistics& numpy) {
  constexpr double kTolerance = 2e-4;
  const double difference = std::max(largest_relative_difference(ours.column_variance, numpy.column_variance),
                                     largest_relative_difference(ours.entropy, numpy.entropy));
  if (difference <= kTolerance) return difference;
  throw Error(ErrorCode::kCheckFailed,
              fmt::format("C7: kvscope and NumPy differ by {:.2g}, expected at most {:.2g}", difference, kTolerance));
}

/// Once for every number of threads, and NumPy, in turns.
void race_figures(BenchmarkRun& run, const std::filesystem::path& file, std::string_view type, Figures figures) {
  const double error = checked_difference(own_statistics(file, figures), numpy_statistics(file, figures));
  const std::vector<int>& threads = run.request().threads;
  double bytes = 0.0;
  const Rounds rounds(threads.size() + 1, few_rounds(run), [&](std::size_t who) {
    if (who == threads.size()) return std::vector{numpy_statistics(file, figures).seconds};
    (void)run.race(threads[who]);
    const MapStatistics ours = own_statistics(file, figures);
    bytes = ours.bytes;
    return std::vector{ours.seconds};
  });
  for (std::size_t i = 0; i < threads.size(); ++i) {
    const Comparison seconds = compare(rounds.seconds(i), rounds.seconds(threads.size()));
    run.add({.id = "C7",
             .where = fmt::format("column mean and variance{}, {:.1f} GB {}",
                                  figures == Figures::kEntropy ? ", entropy" : "", bytes * 1e-9, type),
             .threads = threads[i],
             .peer = "NumPy and h5py",
             .seconds = seconds,
             .max_relative_error = error,
             .rate = bytes / seconds.ours_s,
             .unit = "B"});
  }
}

}  // namespace

void benchmark_map_statistics(BenchmarkRun& run) {
  if (!python_has_h5py()) return run.note("C7 left out: Python has no NumPy or h5py (python3-h5py)");
  const double gigabytes = run.request().quick ? 0.02 : run.request().maps_gb;
  // As many weights of either type: NumPy takes seconds for float16.
  for (const auto& [type, share] : {std::pair("float32", 1.0), std::pair("float16", 0.5)}) {
    const testing::TemporaryFolder folder;
    const std::filesystem::path file = folder / "maps.h5";
    (void)run_python("write_raw_maps.py", {file.string(), fmt::format("{}", share * gigabytes), type});
    for (const Figures figures : {Figures::kMoments, Figures::kEntropy}) race_figures(run, file, type, figures);
  }
}

}  // namespace kvscope::benchmark
