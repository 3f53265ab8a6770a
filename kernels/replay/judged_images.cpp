#include "kernels/replay/judged_images.h"

#include "analysis/frechet.h"
#include "analysis/image_quality.h"
#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"

#include <algorithm>

namespace kvscope {
namespace {

Array<std::uint8_t> picture(const Array<std::uint8_t>& images, std::int64_t i) {
  const auto pixels = images.slice(i);
  return {{images.extent(1), images.extent(2), images.extent(3)}, {pixels.begin(), pixels.end()}};
}

}  // namespace

void JudgedImages::add(const Array<std::uint8_t>& images) {
  require(images.shape().size() == 4, "JudgedImages: expected [batch, height, width, 3]");
  image_shape_.assign(images.shape().begin() + 1, images.shape().end());
  count_ += images.extent(0);
  if (keeps_pixels_) pixels_.insert(pixels_.end(), images.values().begin(), images.values().end());
  if (evaluator_ == nullptr) return;
  const Stopwatch watch;
  const Evaluation seen = evaluator_->evaluate(images);
  evaluation_seconds_ += watch.seconds();
  classes_.insert(classes_.end(), seen.classes.begin(), seen.classes.end());
  features_.insert(features_.end(), seen.features.values().begin(), seen.features.values().end());
}

Array<std::uint8_t> JudgedImages::pixels(std::int64_t first, std::int64_t count) const {
  if (!keeps_pixels_ || count_ == 0) return {};
  Shape shape = image_shape_;
  const std::int64_t size = element_count(shape);
  shape.insert(shape.begin(), count);
  return {shape, {pixels_.begin() + first * size, pixels_.begin() + (first + count) * size}};
}

std::optional<Interval> JudgedImages::frechet(const FeatureStatistics* reference) const {
  if (evaluator_ == nullptr || reference == nullptr || count_ < 2) return std::nullopt;
  return frechet_interval(Array<float>({count_, evaluator_->feature_size()}, features_), *reference);
}

void append_likeness(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed, ImageLikeness& likeness) {
  require(full.shape() == compressed.shape() && full.shape().size() == 4,
          "replay: the images of both runs differ in shape");
  const std::size_t before = likeness.psnr.size();
  const std::int64_t count = full.extent(0);
  likeness.psnr.resize(before + static_cast<std::size_t>(count));
  likeness.ssim.resize(likeness.psnr.size());
  parallel_for(count, [&](std::int64_t i) {
    const Array<std::uint8_t> a = picture(full, i);
    const Array<std::uint8_t> b = picture(compressed, i);
    likeness.psnr[before + static_cast<std::size_t>(i)] = psnr(a, b);
    likeness.ssim[before + static_cast<std::size_t>(i)] = ssim(a, b);
  });
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
