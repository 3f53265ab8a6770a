#include "kernels/replay/image_comparison.h"

#include "analysis/frechet.h"
#include "analysis/image_quality.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace kvscope;

namespace {

struct Images {
  Array<std::uint8_t> full;
  Array<std::uint8_t> compressed;  ///< the first pair is identical
  std::vector<std::int64_t> labels;
};

Images golden_images() {
  const Hdf5File golden = Hdf5File::open(testing::repository_file("tests/data/evaluator/golden.h5"));
  Images images{.full = golden.read<std::uint8_t>("/tiny/images"),
                .compressed = golden.read<std::uint8_t>("/tiny/images"),
                .labels = {2, 0, 0, 3, 0}};  // what the tiny evaluator sees is 2 0 0 0 0
  for (std::int64_t i = 1; i < 5; ++i) std::ranges::reverse(images.compressed.slice(i));
  return images;
}

Evaluator tiny_evaluator() {
  return Evaluator::open(testing::repository_file("tests/data/evaluator/tiny.safetensors"));
}

Array<std::uint8_t> part(const Array<std::uint8_t>& images, std::int64_t first, std::int64_t count) {
  Shape shape = images.shape();
  shape[0] = count;
  const auto pixels = images.values().subspan(static_cast<std::size_t>(first * images.size() / images.extent(0)),
                                              static_cast<std::size_t>(element_count(shape)));
  return {shape, {pixels.begin(), pixels.end()}};
}

FeatureStatistics unit_statistics(std::int64_t d) {
  FeatureStatistics statistics{.mean = Array<double>({d}), .covariance = Array<double>({d, d})};
  for (std::int64_t i = 0; i < d; ++i) statistics.covariance(i, i) = 1.0;
  return statistics;
}

}  // namespace

TEST_SUITE("kernels.replay.image_comparison") {
  TEST_CASE("pairs are judged one by one") {
    const Images images = golden_images();
    const Evaluator evaluator = tiny_evaluator();
    const Evaluation seen_full = evaluator.evaluate(images.full);
    const Evaluation seen_compressed = evaluator.evaluate(images.compressed);
    ImageComparison comparison(&evaluator, nullptr, false);
    comparison.add(images.full, images.compressed, images.labels);
    std::vector<ReplaySample> samples(5);
    FreeRunningReplay run;
    comparison.summarise(samples, run);

    CHECK(run.identical_images == 1);
    CHECK(samples[0].identical);
    CHECK(samples[0].ssim == 1.0);
    double psnr_sum = 0.0;
    double agreement = 0.0;
    for (std::size_t i = 1; i < 5; ++i) {
      CHECK_FALSE(samples[i].identical);
      psnr_sum += samples[i].psnr;
      CHECK(samples[i].class_compressed == seen_compressed.classes[i]);
    }
    for (std::size_t i = 0; i < 5; ++i) agreement += seen_full.classes[i] == seen_compressed.classes[i] ? 0.2 : 0.0;
    CHECK(run.psnr.mean == doctest::Approx(psnr_sum / 4));
    REQUIRE(run.evaluator.has_value());
    CHECK(run.evaluator->class_accuracy_full.mean == doctest::Approx(0.8));
    CHECK(run.evaluator->class_agreement.mean == doctest::Approx(agreement));
    CHECK_FALSE(run.evaluator->frechet_full.has_value());
    CHECK(comparison.images().labels.empty());
  }

  TEST_CASE("batches add up to the same figures and pictures") {
    const Images images = golden_images();
    const Evaluator evaluator = tiny_evaluator();
    const FeatureStatistics reference = unit_statistics(evaluator.feature_size());
    ImageComparison whole(&evaluator, &reference, true);
    whole.add(images.full, images.compressed, images.labels);
    ImageComparison parts(&evaluator, &reference, true);
    const std::span<const std::int64_t> labels(images.labels);
    parts.add(part(images.full, 0, 2), part(images.compressed, 0, 2), labels.subspan(0, 2));
    parts.add(part(images.full, 2, 3), part(images.compressed, 2, 3), labels.subspan(2, 3));

    std::vector<ReplaySample> samples_whole(5), samples_parts(5);
    FreeRunningReplay run_whole, run_parts;
    whole.summarise(samples_whole, run_whole);
    parts.summarise(samples_parts, run_parts);
    CHECK(run_whole.psnr == run_parts.psnr);
    CHECK(run_whole.ssim == run_parts.ssim);
    CHECK(run_whole.evaluator->frechet_compressed.value() == run_parts.evaluator->frechet_compressed.value());
    CHECK(samples_whole[3].psnr == samples_parts[3].psnr);
    CHECK(std::ranges::equal(parts.images().full.values(), images.full.values()));
    CHECK(std::ranges::equal(parts.images().compressed.values(), images.compressed.values()));
    CHECK(parts.images().full.shape() == images.full.shape());
  }

  TEST_CASE("summarising before every sample was added is refused") {
    const Images images = golden_images();
    ImageComparison comparison(nullptr, nullptr, false);
    comparison.add(images.full, images.compressed, images.labels);
    std::vector<ReplaySample> samples(6);
    FreeRunningReplay run;
    testing::check_error(
        ErrorCode::kUsage, [&] { comparison.summarise(samples, run); }, "every sample");
  }

  TEST_CASE("the Frechet distance stands inside its interval") {
    // 40 feature vectors on a spiral: no two alike, moments far from the reference's.
    Array<float> features({40, 2});
    for (std::int64_t i = 0; i < 40; ++i) {
      features(i, 0) = static_cast<float>(i) * std::cos(static_cast<float>(i));
      features(i, 1) = static_cast<float>(i) * std::sin(static_cast<float>(i));
    }
    const FeatureStatistics reference = unit_statistics(2);
    const Interval interval = frechet_interval(features, reference);
    const GaussianMoments target{{0.0, 0.0}, reference.covariance};
    CHECK(interval.mean == doctest::Approx(frechet_distance(target, gaussian_moments(features))));
    CHECK(interval.low > 0.0);
    CHECK(interval.low < interval.mean);
    CHECK(interval.mean < interval.high);
  }
}
