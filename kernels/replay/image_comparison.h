#pragma once

#include "collectors/base/array.h"
#include "collectors/models/evaluator.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Bootstrap draws for a Frechet distance; each costs two eigenvalue problems of the feature size.
inline constexpr int kFrechetDraws = 200;

/// Gathers what is said about pairs of images, batch by batch.
class ImageComparison {
 public:
  /// @param evaluator, reference  may be nullptr; outlive this object
  ImageComparison(const Evaluator* evaluator, const FeatureStatistics* reference, bool keep_images)
      : evaluator_(evaluator), reference_(reference), keeps_images_(keep_images) {}

  /// One batch of pairs, in order of sample.
  /// @param full, compressed  [batch, height, width, 3]
  void add(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed,
           std::span<const std::int64_t> labels);

  /// Fills in the image figures of every sample (which must be as many as were added) and of the run.
  void summarise(std::vector<ReplaySample>& samples, FreeRunningReplay& run) const;

  /// All pairs; empty unless they are kept.
  [[nodiscard]] ReplayImages images() const;

  /// Seconds the evaluator took.
  [[nodiscard]] double evaluation_seconds() const noexcept { return evaluation_seconds_; }

 private:
  /// What is known of one of the two runs.
  struct Side {
    std::vector<int> classes;          ///< [sample]
    std::vector<float> features;       ///< [sample, feature_size]
    std::vector<std::uint8_t> pixels;  ///< [sample, height, width, 3], if kept
  };
  void record(const Array<std::uint8_t>& images, Side& side);
  [[nodiscard]] EvaluatorVerdict verdict() const;

  const Evaluator* evaluator_;
  const FeatureStatistics* reference_;
  bool keeps_images_;
  Shape image_shape_;
  std::vector<std::int64_t> labels_;
  std::vector<double> psnr_;
  std::vector<double> ssim_;
  Side full_;
  Side compressed_;
  double evaluation_seconds_ = 0.0;
};

/// Frechet distance of `features` [n, d] to `reference`, with a bootstrap interval over the n images.
///
/// Drawing images twice lowers the rank of a resample's covariance, which biases its distance upwards. So the
/// spread of the resamples about their own mean is laid about the estimate: low = d - (mean* - q_2.5*), at
/// least 0, and high = d + (q_97.5* - mean*). Requires n >= 2.
[[nodiscard]] Interval frechet_interval(const Array<float>& features, const FeatureStatistics& reference);

}  // namespace kvscope
