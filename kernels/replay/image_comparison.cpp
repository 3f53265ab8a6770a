#include "kernels/replay/image_comparison.h"

#include "analysis/frechet.h"
#include "analysis/image_quality.h"
#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "kernels/replay/replay_measurements.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

Array<std::uint8_t> picture(const Array<std::uint8_t>& images, std::int64_t i) {
  const auto pixels = images.slice(i);
  return {{images.extent(1), images.extent(2), images.extent(3)}, {pixels.begin(), pixels.end()}};
}

Interval share_of(std::int64_t count, const std::function<bool(std::size_t)>& holds) {
  std::vector<double> values;
  for (std::size_t i = 0; i < index(count); ++i) values.push_back(holds(i) ? 1.0 : 0.0);
  return bootstrap_mean(values);
}

}  // namespace

void ImageComparison::add(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed,
                          std::span<const std::int64_t> labels) {
  require(full.shape() == compressed.shape() && full.shape().size() == 4,
          "replay: the images of both runs differ in shape");
  const std::int64_t before = static_cast<std::int64_t>(labels_.size());
  const std::int64_t count = full.extent(0);
  image_shape_ = full.shape();
  labels_.insert(labels_.end(), labels.begin(), labels.end());
  psnr_.resize(index(before + count));
  ssim_.resize(index(before + count));
  parallel_for(count, [&](std::int64_t i) {
    const Array<std::uint8_t> a = picture(full, i);
    const Array<std::uint8_t> b = picture(compressed, i);
    psnr_[index(before + i)] = psnr(a, b);
    ssim_[index(before + i)] = ssim(a, b);
  });
  record(full, full_);
  record(compressed, compressed_);
}

void ImageComparison::record(const Array<std::uint8_t>& images, Side& side) {
  if (keeps_images_) side.pixels.insert(side.pixels.end(), images.values().begin(), images.values().end());
  if (evaluator_ == nullptr) return;
  const Stopwatch watch;
  const Evaluation seen = evaluator_->evaluate(images);
  evaluation_seconds_ += watch.seconds();
  side.classes.insert(side.classes.end(), seen.classes.begin(), seen.classes.end());
  side.features.insert(side.features.end(), seen.features.values().begin(), seen.features.values().end());
}

EvaluatorVerdict ImageComparison::verdict() const {
  const auto count = static_cast<std::int64_t>(labels_.size());
  EvaluatorVerdict verdict;
  verdict.class_accuracy_full = share_of(count, [&](std::size_t i) { return full_.classes[i] == labels_[i]; });
  verdict.class_accuracy_compressed =
      share_of(count, [&](std::size_t i) { return compressed_.classes[i] == labels_[i]; });
  verdict.class_agreement = share_of(count, [&](std::size_t i) { return full_.classes[i] == compressed_.classes[i]; });
  if (reference_ != nullptr && count >= 2) {
    const Shape shape{count, evaluator_->feature_size()};
    std::optional<Interval>* const distances[] = {&verdict.frechet_full, &verdict.frechet_compressed};
    const std::vector<float>* const features[] = {&full_.features, &compressed_.features};
    parallel_for(2, [&](std::int64_t side) {
      *distances[side] = frechet_interval(Array<float>(shape, *features[side]), *reference_);
    });
  }
  return verdict;
}

void ImageComparison::summarise(std::vector<ReplaySample>& samples, FreeRunningReplay& run) const {
  require(samples.size() == psnr_.size(), "ImageComparison: summarise() before every sample was added");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].identical = std::isinf(psnr_[i]);
    samples[i].psnr = psnr_[i];
    samples[i].ssim = ssim_[i];
    if (evaluator_ == nullptr) continue;
    samples[i].class_full = full_.classes[i];
    samples[i].class_compressed = compressed_.classes[i];
  }
  run.psnr = summarise_psnr(psnr_);
  run.identical_images = std::ranges::count_if(psnr_, [](double value) { return std::isinf(value); });
  run.ssim = bootstrap_mean(ssim_);
  if (evaluator_ != nullptr) run.evaluator = verdict();
}

ReplayImages ImageComparison::images() const {
  if (!keeps_images_ || labels_.empty()) return {};
  Shape shape = image_shape_;
  shape[0] = static_cast<std::int64_t>(labels_.size());
  return {.full = Array<std::uint8_t>(shape, full_.pixels),
          .compressed = Array<std::uint8_t>(shape, compressed_.pixels),
          .labels = labels_,
          .kept = {}};
}

Interval frechet_interval(const Array<float>& features, const FeatureStatistics& reference) {
  const GaussianMoments target{{reference.mean.values().begin(), reference.mean.values().end()}, reference.covariance};
  double estimate = 0.0;
  double sum = 0.0;
  std::int64_t calls = 0;
  const auto distance = [&](std::span<const std::int64_t> indices) {
    Array<float> drawn({static_cast<std::int64_t>(indices.size()), features.extent(1)});
    for (std::size_t i = 0; i < indices.size(); ++i) {
      std::ranges::copy(features.slice(indices[i]), drawn.slice(static_cast<std::int64_t>(i)).begin());
    }
    const double value = frechet_distance(target, gaussian_moments(drawn));
    // The first call is the estimate from all images, each once.
    if (calls++ == 0) {
      estimate = value;
    } else {
      sum += value;
    }
    return value;
  };
  const Interval drawn = bootstrap(features.extent(0), distance, kFrechetDraws);
  const double mean_of_draws = sum / kFrechetDraws;
  return {estimate, std::max(0.0, estimate - (mean_of_draws - drawn.low)), estimate + (drawn.high - mean_of_draws)};
}

}  // namespace kvscope
