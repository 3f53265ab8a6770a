#include "classifiers/plan/capture_calibration.h"

#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace kvscope;

namespace {

/// Changes key_range and value_range of every step.
void write_ranges(const std::filesystem::path& path, const std::function<void(int step, Array<float>& range)>& change) {
  const int n_step = Capture::open(path).steps().size();
  Hdf5File file = Hdf5File::open_for_writing(path);
  for (int step = 0; step < n_step; ++step) {
    for (const char* name : {"key_range", "value_range"}) {
      const std::string dataset = fmt::format("/means/step_{:02}/{}", step, name);
      Array<float> range = file.read<float>(dataset);
      change(step, range);
      file.write_slab(dataset, {0, 0, 0, 0, 0}, range);
    }
  }
  file.close();
}

}  // namespace

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

  TEST_CASE("codes span what was seen in both branches and all steps that are read again") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    write_ranges(folder / "c.h5", [](int step, Array<float>& range) {
      // Of every channel: -1 to 1, but where one branch of one step saw more; the last step's tokens are never stored.
      for (std::int64_t branch = 0; branch < range.extent(0); ++branch) {
        for (std::int64_t layer = 0; layer < range.extent(1); ++layer) {
          for (std::int64_t head = 0; head < range.extent(2); ++head) {
            const bool wider = step == 1 && branch == 1 && layer == 1 && head == 0;
            std::ranges::fill(range.slice(branch, layer, head, 0), step == 3 ? -100.0F : -1.0F);
            std::ranges::fill(range.slice(branch, layer, head, 1), step == 3 ? 100.0F : wider ? 3.0F : 1.0F);
          }
        }
      }
    });
    const Capture capture = Capture::open(folder / "c.h5");
    REQUIRE(capture.steps().size() == 4);
    const auto quantisation = calibrate_quantisation(capture);
    const auto kv_heads = static_cast<std::size_t>(capture.model().kv_heads);
    const auto head_dim = static_cast<std::size_t>(capture.model().head_dim);
    REQUIRE(quantisation.size() == static_cast<std::size_t>(capture.model().layers) * kv_heads);
    for (std::size_t head = 0; head < quantisation.size(); ++head) {
      const bool wider = head == kv_heads;  // layer 1, head 0
      for (const ChannelQuantisation* channels : {&quantisation[head].key, &quantisation[head].value}) {
        CHECK(channels->scale == std::vector<float>(head_dim, static_cast<float>((wider ? 4.0 : 2.0) / 254.0)));
        CHECK(channels->offset == std::vector<float>(head_dim, wider ? 1.0F : 0.0F));
      }
    }
  }

  TEST_CASE("ranges that are missing or none are refused") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    const auto refused = [&](const auto&... words) {
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)calibrate_quantisation(Capture::open(folder / "c.h5")); }, "c.h5",
          words...);
    };
    write_ranges(folder / "c.h5", [](int, Array<float>& range) {
      // A minimum of 1 above a maximum of -1.
      std::ranges::fill(range.values(), 1.0F);
      for (std::int64_t branch = 0; branch < range.extent(0); ++branch) {
        for (std::int64_t layer = 0; layer < range.extent(1); ++layer) {
          for (std::int64_t head = 0; head < range.extent(2); ++head)
            std::ranges::fill(range.slice(branch, layer, head, 1), -1.0F);
        }
      }
    });
    refused("key_range", "channel 0 of layer 0, head 0");
    write_ranges(folder / "c.h5", [](int, Array<float>& range) {
      std::ranges::fill(range.values(), std::numeric_limits<float>::quiet_NaN());
    });
    refused("key_range", "finite");
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
      file.remove("/means/step_02/value_range");
      file.remove("/means/step_01/key_range");
      file.close();
    }
    refused("key_range", "step 1", "missing");
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
