#include "analysis/scores.h"

#include "analysis/interval.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;
using doctest::Approx;

namespace {

Capture synthetic(const testing::TemporaryFolder& folder, const testing::SyntheticCapture& capture) {
  write_synthetic_capture(folder / "capture.h5", capture);
  return Capture::open(folder / "capture.h5");
}

/// Equal, where not-a-number equals itself.
template <typename T>
bool same(const Array<T>& a, const Array<T>& b) {
  if (a.shape() != b.shape()) return false;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    const T x = a.values()[i];
    const T y = b.values()[i];
    if (x != y && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

/// Equal but for the rounding of figures of the order of 1 (distances: 10) in float32.
bool nearly_same(const Array<double>& a, const Array<double>& b) {
  constexpr double kRounding = 5e-6;
  if (a.shape() != b.shape()) return false;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    const double x = a.values()[i];
    const double y = b.values()[i];
    if (std::isnan(x) != std::isnan(y) || std::abs(x - y) > kRounding) return false;
  }
  return true;
}

void check_same(const Scores& a, const Scores& b) {
  CHECK(a.model == b.model);
  CHECK(a.steps == b.steps);
  CHECK(a.samples == b.samples);
  CHECK(a.complete == b.complete);
  CHECK(a.band_radius == b.band_radius);
  CHECK(a.run == b.run);
  CHECK(a.made_from == b.made_from);
  REQUIRE(a.values.size() == b.values.size());
  for (const auto& entry : a.values) {
    CAPTURE(entry.first);
    const HeadScoreValues& values = entry.second;
    const HeadScoreValues& other = b.values.at(entry.first);
    CHECK(same(values.mean, other.mean));
    CHECK(same(values.deviation, other.deviation));
    CHECK(same(values.low, other.low));
    CHECK(same(values.high, other.high));
    CHECK(same(values.samples, other.samples));
    CHECK(same(values.stability, other.stability));
  }
}

}  // namespace

TEST_SUITE("analysis.scores") {
  TEST_CASE("every score is the formula applied to the maps of the capture") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture source{.samples = 4};
    const Scores scores = compute_scores(synthetic(folder, source));
    CHECK(scores.values.size() == head_scores().size());
    const int branch = 1;
    const int layer = 1;
    const int step = 3;
    for (int head = 0; head < 4; ++head) {
      CAPTURE(head);
      std::vector<double> variances;
      for (int sample = 0; sample < 4; ++sample) {
        const auto map = testing::synthetic_map(source, layer, head, step, sample, branch);
        const HeadStatistics expected = statistics_of_map(map.values(), source.steps, step);
        const auto value = [&](const HeadScore& score) {
          return scores.at(score).samples(sample, branch, layer, head, step);
        };
        CHECK(value(head_score::kColumnVariance) == Approx(expected.column_variance).epsilon(1e-6));
        CHECK(value(head_score::kVerticality) ==
              Approx(1 - expected.column_variance / expected.square_sum).epsilon(1e-6));
        CHECK(value(head_score::kEntropy) == Approx(expected.entropy / std::log(30.0)).epsilon(1e-6));
        CHECK(value(head_score::kSinkMass) == Approx(expected.source_mass[0] + expected.source_mass[1]).epsilon(1e-6));
        CHECK(value(head_score::kHistoryShare) == Approx(1 - expected.source_mass[3]).epsilon(1e-6));
        // Sources 3 x 3 and 4 x 4 are larger than the band of 3 x 3.
        const double mass = expected.source_mass[2] + expected.source_mass[3];
        CHECK(value(head_score::kBandMass) ==
              Approx((expected.band_mass[2 * 4 + 1] + expected.band_mass[3 * 4 + 1]) / mass).epsilon(1e-6));
        variances.push_back(static_cast<float>(expected.column_variance));
      }
      const HeadScoreValues& sigma = scores.at(head_score::kColumnVariance);
      const Interval interval = bootstrap_mean(variances);
      CHECK(sigma.mean(branch, layer, head, step) == Approx(interval.mean).epsilon(1e-6));
      CHECK(sigma.low(branch, layer, head, step) == Approx(interval.low).epsilon(1e-6));
      CHECK(sigma.high(branch, layer, head, step) == Approx(interval.high).epsilon(1e-6));
      CHECK(sigma.deviation(branch, layer, head, step) == Approx(standard_deviation(variances)).epsilon(1e-5));
    }
  }

  TEST_CASE("the two kinds of heads stand apart in the scores that speak of them") {
    const testing::TemporaryFolder folder;
    const Scores scores = compute_scores(synthetic(folder, {}));
    const int step = 3;
    for (const HeadScore& score : head_scores()) {
      if (score.per_source || score.name == "semantic_distance") continue;  // outputs of synthetic captures are noise
      CAPTURE(score.name);
      const Array<double>& mean = scores.at(score).mean;
      for (int layer = 0; layer < 2; ++layer) {
        for (const int contextual : {0, 2}) {
          for (const int structural : {1, 3}) {
            if (score.higher_means == HigherMeans::kContextual)
              CHECK(mean(0, layer, contextual, step) > mean(0, layer, structural, step));
            if (score.higher_means == HigherMeans::kStructural)
              CHECK(mean(0, layer, contextual, step) < mean(0, layer, structural, step));
          }
        }
      }
    }
  }

  TEST_CASE("band excess of one source is as if it were alone") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture source{.samples = 2, .noise = 0.0};
    const Scores scores = compute_scores(synthetic(folder, source));
    const Array<double>& by_source = scores.at(head_score::kBandExcessBySource).mean;
    CHECK(by_source.shape() == Shape{2, 2, 4, 4, 4});
    CHECK(std::isnan(by_source(0, 0, 1, 3, 0)));  // one token: the band covers it
    CHECK(std::isnan(by_source(0, 0, 1, 2, 3)));  // not visible yet
    CHECK(by_source(0, 0, 1, 3, 3) > 0.5);
    CHECK(by_source(0, 0, 1, 3, 2) > 0.2);
    // At the third step only its own 3 x 3 tokens tell anything, so the whole is that source.
    CHECK(by_source(0, 0, 1, 2, 2) == Approx(scores.at(head_score::kBandExcess).mean(0, 0, 1, 2)).epsilon(1e-6));
  }

  TEST_CASE("stability sees that stripes come and go while classes stay") {
    const testing::TemporaryFolder folder;
    const Scores scores = compute_scores(synthetic(folder, {.samples = 6}));
    const HeadScoreValues& sigma = scores.at(head_score::kColumnVariance);
    const RankingAgreement over_samples = sigma.stability_over(StabilityAxis::kSamples, 0, 3);
    CHECK(over_samples.rank_correlation > 0.5);
    CHECK(sigma.stability_over(StabilityAxis::kSteps, 0, 3).rank_correlation == Approx(1.0).epsilon(1e-12));
    CHECK(sigma.stability_over(StabilityAxis::kBranches, 0, 3) == sigma.stability_over(StabilityAxis::kBranches, 1, 3));
    CHECK(sigma.stability_over(StabilityAxis::kBranches, 0, 3).rank_correlation > 0.5);
    CHECK(std::isnan(
        sigma.stability_over(StabilityAxis::kSteps, 0, 0).rank_correlation));  // one query: no variance anywhere
  }

  TEST_CASE("scores survive a file to the last bit") {
    const testing::TemporaryFolder folder;
    const Scores before = compute_scores(synthetic(folder, {.samples = 3, .complete = false}), {.band_radius = 0});
    write_scores(folder / "deep" / "scores.h5", before);
    CHECK_FALSE(std::filesystem::exists(folder / "deep" / "scores.h5.partial"));
    const Scores after = read_scores(folder / "deep" / "scores.h5");
    check_same(before, after);
    CHECK_FALSE(after.complete);
    CHECK(after.band_radius == 0);
    CHECK(after.made_from["capture"]["sha256"] == Capture::open(folder / "capture.h5").sha256());
  }

  TEST_CASE("a capture of raw maps alone gives the same scores") {
    const testing::TemporaryFolder folder;
    const Scores statistics = compute_scores(synthetic(folder, {.samples = 2}));
    const Scores maps = compute_scores(synthetic(folder, {.samples = 2, .statistics = false, .maps = true}));
    for (const HeadScore& score : head_scores()) {
      if (score.name == "semantic_distance") continue;  // needs outputs, which maps do not hold
      CAPTURE(score.name);
      CHECK(nearly_same(statistics.at(score).mean, maps.at(score).mean));
    }
    CHECK(std::isnan(maps.at(head_score::kSemanticDistance).mean(0, 0, 0, 3)));
  }

  TEST_CASE("one sample has a mean and no spread") {
    const testing::TemporaryFolder folder;
    const Scores scores = compute_scores(synthetic(folder, {.samples = 1}));
    const HeadScoreValues& sigma = scores.at(head_score::kColumnVariance);
    CHECK(sigma.low(0, 0, 0, 3) == sigma.mean(0, 0, 0, 3));
    CHECK(std::isnan(sigma.deviation(0, 0, 0, 3)));
    CHECK(std::isnan(sigma.stability_over(StabilityAxis::kSamples, 0, 3).jaccard));
  }

  TEST_CASE("a radius that no capture holds is refused") {
    const testing::TemporaryFolder folder;
    const Capture capture = synthetic(folder, {.samples = 1});
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)compute_scores(capture, {.band_radius = 3}); }, "radius 3", "0, 1, 2, 4");
  }

  TEST_CASE("what is wrong in a file is named") {
    const testing::TemporaryFolder folder;
    const Scores scores = compute_scores(synthetic(folder, {.samples = 2}));
    const auto path = folder / "scores.h5";
    const auto check_refused = [&](auto&& damage, const auto&... words) {
      write_scores(path, scores);
      {
        Hdf5File file = Hdf5File::open_for_writing(path);
        damage(file);
        file.close();
      }
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)read_scores(path); }, "scores.h5", words...);
    };
    check_refused([](Hdf5File& f) { f.set_attribute("/", "format", "kvscope-capture"); }, "kvscope-capture",
                  "kvscope-scores");
    check_refused([](Hdf5File& f) { f.set_attribute("/", "version", 2); }, "version 2");
    check_refused([](Hdf5File& f) { f.set_attribute("/", "samples", 3); }, "samples", "[3, 2, 2, 4, 4]");
    check_refused([](Hdf5File& f) { f.set_attribute("/", "samples", 0); }, "samples");
    check_refused([](Hdf5File& f) { f.set_attribute("/", "model", "{"); }, "model");
    check_refused([](Hdf5File& f) { f.set_attribute("/", "steps", "{}"); }, "table");
    check_refused([](Hdf5File& f) { f.remove("/scores/entropy/low"); }, "/scores/entropy/low", "missing");
    check_refused([](Hdf5File& f) { f.remove("/scores/entropy/samples"); }, "/scores/entropy/samples", "missing");
    check_refused([](Hdf5File& f) { f.remove("/scores"); }, "no score");
    check_refused(
        [](Hdf5File& f) {
          f.remove("/scores/distance/mean");
          f.write("/scores/distance/mean", Array<double>({2, 2, 4}));
        },
        "/scores/distance/mean", "[2, 2, 4]");
    check_refused(
        [](Hdf5File& f) {
          f.remove("/scores/distance/mean");
          f.write("/scores/distance/mean", Array<double>({2, 2, 4, 4}, INFINITY));
        },
        "/scores/distance/mean", "infinite");
    check_refused(
        [](Hdf5File& f) {
          f.remove("/scores/entropy/low");
          f.write("/scores/entropy/low", Array<double>({2, 2, 4, 4}, 2.0));
        },
        "/scores/entropy/low", "above");
  }

  TEST_CASE("a file cut short is refused") {
    const testing::TemporaryFolder folder;
    write_scores(folder / "scores.h5", compute_scores(synthetic(folder, {.samples = 2})));
    std::filesystem::resize_file(folder / "scores.h5", std::filesystem::file_size(folder / "scores.h5") / 2);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_scores(folder / "scores.h5"); }, "scores.h5");
  }

  TEST_CASE("names of scores and branches are found") {
    for (const HeadScore& score : head_scores())
      CHECK(head_score_from_name(score.name)->description == score.description);
    CHECK_FALSE(head_score_from_name("sigma").has_value());
    CHECK(branch_index(testing::synthetic_model(), "unconditional") == 1);
    testing::check_error(
        ErrorCode::kUsage, [] { (void)branch_index(testing::synthetic_model(), "text"); }, "text", "conditional");
  }
}
