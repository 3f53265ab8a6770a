#include "classifiers/plan/capture_calibration.h"

#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace kvscope;

TEST_SUITE("classifiers.plan.capture_calibration") {
  // The prior weights of a step, times the tokens they stand for, are its attention: they add up to 1.
  TEST_CASE("prior weights of every step add up to one") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    const Capture capture = Capture::open(folder / "c.h5");
    const AttentionCalibration result = calibrate_attention(capture);
    for (int layer = 0; layer < capture.model().layers; ++layer) {
      for (int head = 0; head < capture.model().kv_heads; ++head) {
        for (int k = 0; k < capture.steps().size(); ++k) {
          double sum = 0.0;
          for (int s = 0; s <= k; ++s) {
            sum +=
                static_cast<double>(result.prior(layer, head, k, s)) * static_cast<double>(capture.steps().n_query(s));
          }
          CHECK(sum == doctest::Approx(1.0).epsilon(1e-5));
        }
        CHECK(result.future(layer, head, capture.steps().size() - 1) == 0.0);
        CHECK(result.future(layer, head, 0) > 0.0);
      }
    }
  }

  TEST_CASE("the maps of the conditional rows are what is averaged") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture made{.maps = true};
    testing::write_synthetic_capture(folder / "c.h5", made);
    const AttentionCalibration result = calibrate_attention(Capture::open(folder / "c.h5"));
    const int step = 2;  // 9 queries, 14 keys: 1, 4 and 9 of steps 0, 1 and 2
    double mass = 0.0;
    for (std::int64_t sample = 0; sample < made.samples; ++sample) {
      const Array<float> map = testing::synthetic_map(made, 1, 3, step, sample, 0);
      for (std::int64_t query = 0; query < 9; ++query) {
        for (std::int64_t key = 1; key < 5; ++key) mass += static_cast<double>(map(query, key));
      }
    }
    CHECK(result.prior(1, 3, step, 1) ==
          doctest::Approx(mass / (9.0 * static_cast<double>(made.samples) * 4.0)).epsilon(1e-5));
  }

  TEST_CASE("a capture without column means is calibrated from its mass per source step") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    const AttentionCalibration from_means = calibrate_attention(Capture::open(folder / "c.h5"));
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
      file.remove("/means");
      file.close();
    }
    const AttentionCalibration from_samples = calibrate_attention(Capture::open(folder / "c.h5"));
    for (std::int64_t i = 0; i < from_means.prior.size(); ++i) {
      CHECK(from_samples.prior.data()[i] == doctest::Approx(from_means.prior.data()[i]).epsilon(1e-5));
    }
  }

  TEST_CASE("attention that is no number is refused") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
      Array<float> means = file.read<float>("/means/step_01/column_mean");
      means(0, 1, 2, 3) = std::numeric_limits<float>::quiet_NaN();
      file.write_slab("/means/step_01/column_mean", {0, 0, 0, 0}, means);
      file.close();
    }
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)calibrate_attention(Capture::open(folder / "c.h5")); }, "c.h5", "step 1",
        "nan");
  }
}
