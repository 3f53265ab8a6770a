#pragma once

#include "collectors/base/array.h"
#include "collectors/capture/capture.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

// Where things are in a capture file and how large they are; the one place that knows, for the reader,
// the writer, the check and the estimate.

inline constexpr std::string_view kCaptureFormat = "kvscope-capture";
inline constexpr int kCaptureVersion = 1;

namespace statistic {
/// Only in captures made with --keep column_mean.
inline constexpr CaptureQuantity kSampleColumnMean{"column_mean", "nblht", "1",
                                                   "Attention to key j of one sample, mean over queries."};
}  // namespace statistic

/// All quantities of /statistics, in file order; kSampleColumnMean, which is optional, last.
[[nodiscard]] std::span<const CaptureQuantity> statistic_quantities() noexcept;
/// All quantities of /means, in file order.
[[nodiscard]] std::span<const CaptureQuantity> mean_quantities() noexcept;

/// True for quantities below /statistics, false for those below /means.
[[nodiscard]] constexpr bool is_per_sample(const CaptureQuantity& quantity) noexcept {
  return quantity.axes.front() == 'n';
}
/// True for those that follow from the raw map alone, without keys, values or the model's output.
[[nodiscard]] bool follows_from_map(const CaptureQuantity& quantity) noexcept;

/// "step_07": two or more digits; likewise for "layer" and "head".
[[nodiscard]] std::string numbered(std::string_view prefix, int number);
/// The number in `name` if it is numbered(prefix, number); nothing if not.
[[nodiscard]] std::optional<int> number_of(std::string_view prefix, std::string_view name);

/// "/statistics/step_07" or "/means/step_07".
[[nodiscard]] std::string group_path(const CaptureQuantity& quantity, int step);
/// "/statistics/step_07/entropy"
[[nodiscard]] std::string dataset_path(const CaptureQuantity& quantity, int step);
/// "/maps/layer_02/head_11/step_07"
[[nodiscard]] std::string map_path(int layer, int head, int step);
/// Where an unfinished capture keeps the sums behind /means: float64 [2, size], two slots that are written in
/// turn, in the order of accumulator_places(). The attribute `samples` has the samples summed up in each;
/// -1 while it is written.
inline constexpr std::string_view kAccumulators = "/accumulators";

/// Whether band mass and displacement are defined between the queries of `step` and the keys of
/// `source`: both are image grids.
[[nodiscard]] bool corresponds(const StepTable& steps, int step, int source);
/// Rt, the displacement histogram's reach in time: 0 where all grids that `step` sees have t = 1 (images),
/// else kDisplacementRadius.
[[nodiscard]] int displacement_time_radius(const StepTable& steps, int step);
/// Bins of one source's displacement histogram: (2 Rt + 1) * 17 * 17.
[[nodiscard]] std::int64_t displacement_bins(const StepTable& steps, int step);
/// [min(N_k, 64), min(T_k, 64)]
[[nodiscard]] Shape thumbnail_shape(const StepTable& steps, int step);

/// Extents of `quantity` at `step`, axis letters as in CaptureQuantity.
[[nodiscard]] Shape quantity_shape(const CaptureQuantity& quantity, const ModelInfo& model, const StepTable& steps,
                                   int step, std::int64_t samples);
/// [samples, branch, N_k, T_k]
[[nodiscard]] Shape map_shape(const ModelInfo& model, const StepTable& steps, int step, std::int64_t samples);

/// Where the sums of one quantity of one step are in a slot of /accumulators.
struct AccumulatorPlace {
  CaptureQuantity quantity;
  int step = 0;
  std::int64_t offset = 0;  ///< in numbers
  Shape shape;
};

/// Places of the means among `quantities`: steps ascending, within a step in the order of mean_quantities().
[[nodiscard]] std::vector<AccumulatorPlace> accumulator_places(std::span<const CaptureQuantity> quantities,
                                                               const ModelInfo& model, const StepTable& steps);

/// "[2, 3, 4]": for messages.
[[nodiscard]] std::string describe_shape(const Shape& shape);

/// Turns sums over samples into what /means holds: divides by `samples`, except the minimum and maximum
/// of key_range and value_range, which are those over all samples.
[[nodiscard]] Array<float> means_of_sums(const CaptureQuantity& quantity, const Array<double>& sums,
                                         std::int64_t samples);

}  // namespace kvscope
