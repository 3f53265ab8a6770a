#pragma once

#include "collectors/base/array.h"
#include "collectors/models/evaluator.h"
#include "kernels/replay/judged_images.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// Gathers what is said about pairs of images, batch by batch.
class ImageComparison {
 public:
  /// @param evaluator, reference  may be nullptr; outlive this object
  ImageComparison(const Evaluator* evaluator, const FeatureStatistics* reference, bool keep_images)
      : evaluator_(evaluator),
        reference_(reference),
        full_(evaluator, keep_images),
        compressed_(evaluator, keep_images) {}

  /// One batch of pairs, in order of sample.
  /// @param full, compressed  [batch, height, width, 3]
  void add(const Array<std::uint8_t>& full, const Array<std::uint8_t>& compressed,
           std::span<const std::int64_t> labels);

  /// Fills in the image figures of every sample (which must be as many as were added) and of the run.
  void summarise(std::vector<ReplaySample>& samples, FreeRunningReplay& run) const;

  /// All pairs; empty unless they are kept.
  [[nodiscard]] ReplayImages images() const;

  /// Seconds the evaluator took.
  [[nodiscard]] double evaluation_seconds() const noexcept {
    return full_.evaluation_seconds() + compressed_.evaluation_seconds();
  }

 private:
  [[nodiscard]] EvaluatorVerdict verdict() const;

  const Evaluator* evaluator_;
  const FeatureStatistics* reference_;
  std::vector<std::int64_t> labels_;
  ImageLikeness likeness_;
  JudgedImages full_;
  JudgedImages compressed_;
};

}  // namespace kvscope
