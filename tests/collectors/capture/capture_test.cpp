#include "collectors/capture/capture.h"

#include "collectors/base/hash.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

using namespace kvscope;
using testing::check_error;

namespace {

/// A capture file made by `change`ing a valid one.
template <typename Change>
void refuse(Change&& change, std::initializer_list<const char*> words) {
  const testing::TemporaryFolder folder;
  const auto path = folder / "changed.h5";
  testing::write_synthetic_capture(path, {.maps = true});
  {
    Hdf5File file = Hdf5File::open_for_writing(path);
    change(file);
    file.close();
  }
  const auto error = testing::error_of([&] { (void)Capture::open(path); });
  REQUIRE(error.has_value());
  const std::string message = error->what();
  CAPTURE(message);
  CHECK(error->code() == ErrorCode::kBadInput);
  CHECK(message.find("changed.h5") != std::string::npos);
  for (const char* word : words) CHECK(message.find(word) != std::string::npos);
}

}  // namespace

TEST_SUITE("collectors.capture.capture") {
  TEST_CASE("a capture says what it is") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture made;
    testing::write_synthetic_capture(folder / "c.h5", made);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.model() == made.model);
    CHECK(capture.steps() == made.steps);
    CHECK(capture.samples() == 3);
    CHECK(capture.complete());
    CHECK(capture.run()["command_line"] == "synthetic");
    CHECK(capture.labels() == std::vector<std::int64_t>{0, 1, 2});
    CHECK(capture.seeds() == std::vector<std::uint64_t>{1, 1, 1});
    CHECK(capture.tokens().shape() == Shape{3, 30});
    CHECK(capture.images().empty());
    CHECK(capture.maps().empty());
    CHECK(capture.sha256() == sha256_of_file(folder / "c.h5"));
  }

  TEST_CASE("images and maps are read where they are") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture made{.maps = true, .images = true};
    testing::write_synthetic_capture(folder / "c.h5", made);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.images().shape() == Shape{3, 8, 8, 3});
    CHECK(capture.maps().size() == 2 * 4 * 4);
    CHECK(capture.map_samples() == 3);
    CHECK(capture.has_map(1, 3, 2));
    CHECK_FALSE(capture.has_map(2, 0, 0));
    const auto map = capture.read_map(1, 3, 2, 2, 1);
    const auto expected = testing::synthetic_map(made, 1, 3, 2, 2, 1);
    CHECK(map.shape() == expected.shape());
    CHECK(std::equal(map.values().begin(), map.values().end(), expected.values().begin()));
    check_error(
        ErrorCode::kBadInput, [&] { (void)capture.read_map(2, 0, 0, 0, 0); }, "/maps/layer_02/head_00/step_00",
        "missing");
    check_error(
        ErrorCode::kUsage, [&] { (void)capture.read_map(0, 0, 0, 3, 0); }, "sample");
  }

  TEST_CASE("statistics computed from maps equal the stored ones") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "stored.h5", {});
    testing::write_synthetic_capture(folder / "maps.h5", {.statistics = false, .maps = true});
    const Capture stored = Capture::open(folder / "stored.h5");
    const Capture computed = Capture::open(folder / "maps.h5");
    int compared = 0;
    const auto compare = [&](const CaptureQuantity& quantity, int step) {
      if (!stored.has(quantity, step)) return;
      CHECK(computed.has(quantity, step) == follows_from_map(quantity));
      if (!follows_from_map(quantity)) return;
      CAPTURE(quantity.name);
      const auto expected = stored.read(quantity, step);
      const auto found = computed.read(quantity, step);
      CHECK(found.shape() == expected.shape());
      double error = 0;
      for (std::int64_t i = 0; i < found.size(); ++i)
        error =
            std::max(error, std::abs(static_cast<double>(found.data()[i]) - static_cast<double>(expected.data()[i])));
      CHECK(error < 2e-6);  // all of them are of the order of 1
      ++compared;
    };
    for (int step = 0; step < 4; ++step) {
      for (const auto& quantity : statistic_quantities()) compare(quantity, step);
      for (const auto& quantity : mean_quantities()) compare(quantity, step);
    }
    CHECK(compared == 4 * 11);
    CHECK(computed.read(statistic::kSampleColumnMean, 2).shape() == Shape{3, 2, 2, 4, 14});
    check_error(
        ErrorCode::kBadInput, [&] { (void)computed.read(statistic::kFidelity, 0); }, "/statistics/step_00/fidelity",
        "missing");
  }

  TEST_CASE("one pass over the maps computes what is asked for and no second one follows") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "maps.h5", {.statistics = false, .maps = true});
    const Capture capture = Capture::open(folder / "maps.h5");
    const MapPassRequest request{.quantities = {statistic::kColumnVariance, mean_statistic::kColumnMean,
                                                statistic::kFidelity},  // the last does not follow from maps
                                 .steps = {1, 3}};
    const MapPassReport pass = capture.compute_from_maps(request);
    const std::int64_t maps_of_step = 3 * 2 * 2 * 4;
    CHECK(pass.maps == 2 * maps_of_step);
    CHECK(pass.bytes == maps_of_step * (4 * 5 + 16 * 30) * 4);
    CHECK(pass.buffer_bytes > 0);
    CHECK(capture.compute_from_maps(request).maps == 0);
    const auto variance = capture.read(statistic::kColumnVariance, 3);
    CHECK(capture.compute_from_maps({.quantities = {statistic::kColumnVariance}}).maps == 2 * maps_of_step);
    CHECK(capture.compute_from_maps({.quantities = {statistic::kColumnVariance, statistic::kEntropy}, .steps = {3}})
              .maps == maps_of_step);

    const Capture other = Capture::open(folder / "maps.h5");
    (void)other.read(statistic::kEntropy, 3);  // computes all of the step
    CHECK(other.compute_from_maps({.quantities = {statistic::kBandMass, mean_statistic::kDisplacement}, .steps = {3}})
              .maps == 0);
    const auto again = other.read(statistic::kColumnVariance, 3);
    CHECK(std::equal(variance.values().begin(), variance.values().end(), again.values().begin()));
    check_error(
        ErrorCode::kUsage, [&] { (void)capture.compute_from_maps({.steps = {4}}); }, "step");
  }

  TEST_CASE("nothing is computed where the file holds the statistics") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "both.h5", {.maps = true});
    const Capture capture = Capture::open(folder / "both.h5");
    CHECK(capture.compute_from_maps({.quantities = {statistic::kColumnVariance, statistic::kEntropy}}).maps == 0);
  }

  TEST_CASE("column means are means over samples of the maps") {
    const testing::TemporaryFolder folder;
    const testing::SyntheticCapture made;
    testing::write_synthetic_capture(folder / "c.h5", made);
    const auto column_mean = Capture::open(folder / "c.h5").read(mean_statistic::kColumnMean, 3);
    double expected = 0;
    for (int sample = 0; sample < 3; ++sample) {
      const auto map = testing::synthetic_map(made, 1, 2, 3, sample, 0);
      for (int query = 0; query < 16; ++query) expected += map(query, 7) / (3.0 * 16.0);
    }
    CHECK(column_mean(0, 1, 2, 7) == doctest::Approx(expected).epsilon(1e-6));
  }

  TEST_CASE("contextual heads vary less than structural ones") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    const auto variance = Capture::open(folder / "c.h5").read(statistic::kColumnVariance, 3);
    for (int layer = 0; layer < 2; ++layer) CHECK(variance(0, 0, layer, 0) < 0.5F * variance(0, 0, layer, 1));
  }

  TEST_CASE("a file that is no capture is refused by name") {
    refuse([](Hdf5File& file) { file.set_attribute("/", "format", "other"); }, {"\"other\"", "kvscope-capture"});
    refuse([](Hdf5File& file) { file.set_attribute("/", "version", std::int64_t{7}); }, {"version 7", "expected 1"});
    refuse([](Hdf5File& file) { file.set_attribute("/", "model", "{"); }, {"model"});
    refuse([](Hdf5File& file) { file.set_attribute("/", "model", R"({"family": "x"})"); }, {"fingerprint"});
    refuse([](Hdf5File& file) { file.remove("/steps"); }, {"/steps", "missing"});
    refuse([](Hdf5File& file) { file.set_attribute("/", "samples", std::int64_t{-1}); }, {"samples", "-1"});
    check_error(
        ErrorCode::kBadInput, [] { (void)Capture::open("/nonexistent/capture.h5"); }, "/nonexistent/capture.h5");
  }

  TEST_CASE("a capture that contradicts itself is refused by name") {
    refuse([](Hdf5File& file) { file.set_attribute("/", "samples", std::int64_t{4}); },
           {"/statistics/step_00", "[3, 2, 2, 4]", "[4, 2, 2, 4]"});
    refuse(
        [](Hdf5File& file) {
          file.remove("/means/step_02/column_mean");
          file.write("/means/step_02/column_mean", Array<float>(Shape{2, 2, 4, 13}));
        },
        {"/means/step_02/column_mean", "[2, 2, 4, 13]", "[2, 2, 4, 14]"});
    refuse(
        [](Hdf5File& file) {
          Array<std::int32_t> steps(Shape{4, 5}, 1);
          steps(0, 0) = 9;
          file.remove("/steps");
          file.write("/steps", steps);
        },
        {"unknown kind 9"});
    refuse(
        [](Hdf5File& file) {
          file.write("/maps/layer_07/head_00/step_00", Array<float>(Shape{3, 2, 1, 1}));
        },
        {"layer_07", "2 layers"});
    refuse(
        [](Hdf5File& file) {
          file.remove("/maps/layer_01/head_01/step_01");
          file.write("/maps/layer_01/head_01/step_01", Array<float>(Shape{3, 2, 4, 4}));
        },
        {"/maps/layer_01/head_01/step_01", "[3, 2, 4, 4]"});
  }

  TEST_CASE("what a reader does not know is ignored") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {.maps = true});
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
      file.write("/statistics/step_00/new_figure", Array<float>(Shape{7}));
      file.write("/extra", Array<float>(Shape{7}));
      file.write("/maps/layer_00/notes", Array<float>(Shape{7}));
      file.set_attribute("/", "mood", "good");
      file.close();
    }
    CHECK(Capture::open(folder / "c.h5").maps().size() == 2 * 4 * 4);
  }

  TEST_CASE("a schedule with text and chosen visibility survives the file") {
    const testing::TemporaryFolder folder;
    testing::SyntheticCapture made;
    made.steps = StepTable({{.kind = StepKind::kText, .w = 3}, {.h = 1, .w = 2, .stays = false}, {.h = 2, .w = 3}},
                           {1, 0, 0, 1, 1, 0, 0, 0, 1});
    testing::write_synthetic_capture(folder / "c.h5", made);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.steps() == made.steps);
    CHECK(capture.read(statistic::kSourceMass, 2).shape() == Shape{3, 2, 2, 4, 1});
  }

  TEST_CASE("a file cut short is refused at any length") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    const auto size = std::filesystem::file_size(folder / "c.h5");
    for (const double part : {0.0, 0.001, 0.1, 0.5, 0.9, 0.999}) {
      CAPTURE(part);
      std::filesystem::copy_file(folder / "c.h5", folder / "cut.h5", std::filesystem::copy_options::overwrite_existing);
      std::filesystem::resize_file(folder / "cut.h5", static_cast<std::uintmax_t>(part * static_cast<double>(size)));
      check_error(
          ErrorCode::kBadInput, [&] { (void)Capture::open(folder / "cut.h5"); }, "cut.h5");
    }
  }

  TEST_CASE("numbered names have two digits or more") {
    CHECK(numbered("step", 7) == "step_07");
    CHECK(numbered("layer", 117) == "layer_117");
    CHECK(number_of("step", "step_07") == 7);
    CHECK(number_of("layer", "layer_117") == 117);
    CHECK_FALSE(number_of("step", "step_7").has_value());
    CHECK_FALSE(number_of("step", "step_-1").has_value());
    CHECK_FALSE(number_of("step", "steps").has_value());
    CHECK_FALSE(number_of("step", "step_").has_value());
  }
}
