#include "kernels/replay/image_comparison.h"

#include "collectors/base/parallel.h"
#include "kernels/replay/replay_measurements.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace kvscope {

void ImageComparison::add(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed,
                          std::span<const std::int64_t> labels) {
  append_likeness(full, compressed, likeness_);
  labels_.insert(labels_.end(), labels.begin(), labels.end());
  full_.add(full);
  compressed_.add(compressed);
}

EvaluatorVerdict ImageComparison::verdict() const {
  const std::span<const std::int64_t> labels(labels_);
  EvaluatorVerdict verdict;
  verdict.class_accuracy_full = bootstrap_mean(class_hits(full_.classes(), labels));
  verdict.class_accuracy_compressed = bootstrap_mean(class_hits(compressed_.classes(), labels));
  verdict.class_agreement = bootstrap_mean(class_hits(full_.classes(), std::span(compressed_.classes())));
  const std::array<std::optional<Interval>*, 2> distances{&verdict.frechet_full, &verdict.frechet_compressed};
  const std::array<const JudgedImages*, 2> sides{&full_, &compressed_};
  parallel_for(2, [&](std::int64_t side) {
    *distances[static_cast<std::size_t>(side)] = sides[static_cast<std::size_t>(side)]->frechet(reference_);
  });
  return verdict;
}

void ImageComparison::summarise(std::vector<ReplaySample>& samples, FreeRunningReplay& run) const {
  require(samples.size() == labels_.size(), "ImageComparison: summarise() before every sample was added");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].identical = std::isinf(likeness_.psnr[i]);
    samples[i].psnr = likeness_.psnr[i];
    samples[i].ssim = likeness_.ssim[i];
    if (evaluator_ == nullptr) continue;
    samples[i].class_full = full_.classes()[i];
    samples[i].class_compressed = compressed_.classes()[i];
  }
  run.psnr = summarise_psnr(likeness_.psnr);
  run.identical_images = std::ranges::count_if(likeness_.psnr, [](double value) { return std::isinf(value); });
  run.ssim = bootstrap_mean(likeness_.ssim);
  if (evaluator_ != nullptr) run.evaluator = verdict();
}

ReplayImages ImageComparison::images() const {
  Array<std::uint8_t> full = full_.pixels();
  if (full.empty()) return {};
  return {.full = std::move(full), .compressed = compressed_.pixels(), .labels = labels_, .kept = {}};
}

}  // namespace kvscope
