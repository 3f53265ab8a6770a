#pragma once

#include "analysis/interval.h"
#include "collectors/base/array.h"
#include "collectors/models/evaluator.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace kvscope {

/// Images of one run and what an evaluator sees in them, gathered batch by batch in order of sample.
class JudgedImages {
 public:
  /// @param evaluator  may be nullptr; outlives this object
  JudgedImages(const Evaluator* evaluator, bool keeps_pixels) : evaluator_(evaluator), keeps_pixels_(keeps_pixels) {}

  /// @param images  [batch, height, width, 3]
  void add(const Array<std::uint8_t>& images);

  [[nodiscard]] std::int64_t count() const noexcept { return count_; }
  /// The class that is seen, per image; empty without an evaluator.
  [[nodiscard]] const std::vector<int>& classes() const noexcept { return classes_; }
  /// [count, height, width, 3]; empty unless they are kept.
  [[nodiscard]] Array<std::uint8_t> pixels() const { return pixels(0, count_); }
  /// The images [first, first + count) of them.
  [[nodiscard]] Array<std::uint8_t> pixels(std::int64_t first, std::int64_t count) const;
  /// Frechet distance of the evaluator's features to `reference`; absent without either, or for a single image.
  [[nodiscard]] std::optional<Interval> frechet(const FeatureStatistics* reference) const;
  /// Seconds the evaluator took.
  [[nodiscard]] double evaluation_seconds() const noexcept { return evaluation_seconds_; }

 private:
  const Evaluator* evaluator_;
  bool keeps_pixels_;
  std::int64_t count_ = 0;
  Shape image_shape_;  ///< [height, width, 3]
  std::vector<int> classes_;
  std::vector<float> features_;       ///< [count, feature_size]
  std::vector<std::uint8_t> pixels_;  ///< [count, height, width, 3], if kept
  double evaluation_seconds_ = 0.0;
};

/// Likeness of pairs of images, pair by pair.
struct ImageLikeness {
  std::vector<double> psnr;  ///< dB; infinite for a pair that agrees in every byte
  std::vector<double> ssim;
};
/// Appends the pairs of a batch.
/// @param full, compressed  [batch, height, width, 3]
void append_likeness(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed, ImageLikeness& likeness);

/// Bootstrap draws for a Frechet distance; each costs two eigenvalue problems of the feature size.
inline constexpr int kFrechetDraws = 200;

/// Frechet distance of `features` [n, d] to `reference`, with a bootstrap interval over the n images.
///
/// Drawing images twice lowers the rank of a resample's covariance, which biases its distance upwards. So the
/// spread of the resamples about their own mean is laid about the estimate: low = d - (mean* - q_2.5*), at
/// least 0, and high = d + (q_97.5* - mean*). Requires n >= 2.
[[nodiscard]] Interval frechet_interval(const Array<float>& features, const FeatureStatistics& reference);

}  // namespace kvscope
