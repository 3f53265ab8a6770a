#pragma once

#include "collectors/base/array.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/head_statistics.h"

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

/// Which head of which row a figure belongs to; `head` counts key/value heads for KeyValueStatistics.
struct HeadPlace {
  std::int64_t sample = 0;  ///< within the batch, see StepStatistics
  std::int64_t branch = 0;
  std::int64_t layer = 0;
  std::int64_t head = 0;
};

/// The statistics of one step: per-sample figures of a batch of samples, and sums over all samples added
/// so far, in double, shaped like the datasets of a capture.
///
/// Sums are the same to the last bit however samples are cut into batches, as long as every head's
/// samples are added in order.
///
/// Thread safety: add() may run at the same time for different (branch, layer, head).
class StepStatistics {
 public:
  /// @param batch       samples that per_sample() has room for
  /// @param quantities  what is collected; the rest is dropped
  StepStatistics(const ModelInfo& model, const StepTable& steps, int step, std::int64_t batch,
                 std::span<const CaptureQuantity> quantities);

  [[nodiscard]] std::int64_t branches() const noexcept { return branches_; }

  void add(const HeadPlace& place, const HeadStatistics& head);
  void add(const HeadPlace& place, const KeyValueStatistics& head);

  /// Figures of the samples of this batch, [batch, ...]; entries of later batches overwrite earlier ones.
  [[nodiscard]] const Array<float>& per_sample(const CaptureQuantity& quantity) const;
  /// Sums over samples; the minimum and maximum of ranges are those over all samples.
  [[nodiscard]] const Array<double>& sums(const CaptureQuantity& quantity) const;
  /// To go on where an earlier run stopped.
  void set_sums(const CaptureQuantity& quantity, const Array<double>& sums);

 private:
  [[nodiscard]] std::int64_t cell(const HeadPlace& place, std::int64_t heads) const;
  void set(const CaptureQuantity& quantity, const HeadPlace& place, std::span<const double> values);
  void set(const CaptureQuantity& quantity, const HeadPlace& place, double value);
  void add_to_sum(const CaptureQuantity& quantity, std::int64_t cell, std::span<const double> values);
  void add_squares(std::int64_t cell, std::span<const double> column_mean);
  void add_range(const CaptureQuantity& quantity, std::int64_t cell, std::span<const double> range);

  std::int64_t branches_;
  std::int64_t layers_;
  std::int64_t heads_;
  std::int64_t kv_heads_;
  std::map<std::string_view, Array<float>> per_sample_;
  std::map<std::string_view, Array<double>> sums_;
};

}  // namespace kvscope
