#include "collectors/capture/capture_check.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/hdf5/hdf5_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <fstream>
#include <limits>

using namespace kvscope;

namespace {

/// What is found in a valid capture of which one dataset was changed.
template <typename Change>
std::vector<CaptureFinding> findings_after(const std::string& dataset, Change&& change,
                                           const testing::SyntheticCapture& source = {}) {
  const testing::TemporaryFolder folder;
  testing::write_synthetic_capture(folder / "c.h5", source);
  {
    Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
    auto values = file.read<float>(dataset);
    change(values);
    file.write_slab(dataset, Shape(values.shape().size(), 0), values);
    file.close();
  }
  return check_capture(folder / "c.h5");
}

/// Exactly one error, at `dataset`, that says `word`.
template <typename Change>
void check_found(const std::string& dataset, Change&& change, const std::string& word,
                 const testing::SyntheticCapture& source = {}) {
  const auto findings = findings_after(dataset, change, source);
  CAPTURE(dataset);
  REQUIRE(findings.size() >= 1);
  CAPTURE(describe(findings.front()));
  CHECK(findings.front().severity == Severity::kError);
  CHECK(findings.front().place == dataset);
  CHECK(findings.front().message.find(word) != std::string::npos);
}

}  // namespace

TEST_SUITE("collectors.capture.capture_check") {
  TEST_CASE("a valid capture has no findings") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "all.h5", {.maps = true, .images = true});
    CHECK(check_capture(folder / "all.h5").empty());
    testing::write_synthetic_capture(folder / "maps.h5", {.statistics = false, .maps = true});
    CHECK(check_capture(folder / "maps.h5").empty());
    testing::SyntheticCapture with_text;
    with_text.steps = StepTable({{.kind = StepKind::kText, .w = 3}, {.h = 2, .w = 3}, {.t = 2, .h = 2, .w = 2}});
    testing::write_synthetic_capture(folder / "text.h5", with_text);
    CHECK(check_capture(folder / "text.h5").empty());
  }

  TEST_CASE("values out of range are found where they are") {
    const auto set = [](float value) {
      return [value](Array<float>& values) { values.data()[values.size() - 1] = value; };
    };
    check_found("/statistics/step_03/entropy", set(3.5F), "3.5 at [2, 1, 1, 3] is outside 0 to 3.4");
    check_found("/statistics/step_03/square_sum", set(-0.5F), "-0.5");
    check_found("/statistics/step_03/fidelity", set(std::numeric_limits<float>::quiet_NaN()), "no number");
    check_found("/means/step_02/column_second_moment", set(1.5F), "1.5 at [1, 1, 3, 13]");
    check_found("/means/step_02/value_norm", set(-1.0F), "outside 0 to inf");
    check_found("/means/step_02/key_range", set(std::numeric_limits<float>::infinity()), "no number");
  }

  TEST_CASE("broken laws are found") {
    const auto halve = [](Array<float>& values) {
      for (float& value : values.values()) value *= 0.5F;
    };
    check_found("/statistics/step_02/source_mass", halve, "sums to 0.5 at [0, 0, 0, 0], expected 1");
    check_found("/means/step_02/column_mean", halve, "expected 1");
    check_found("/statistics/step_02/source_square_sum", halve, "sums to");
    check_found("/means/step_02/displacement", halve, "the source's mass");
    check_found(
        "/statistics/step_02/column_variance", [](Array<float>& values) { values(0, 0, 0, 0) = 0.99F; },
        "above the square sum");
    check_found(
        "/statistics/step_02/band_mass", [](Array<float>& values) { values(0, 0, 0, 0, 2, 0) = 0.9F; }, "next radius");
    check_found(
        "/statistics/step_02/band_mass", [](Array<float>& values) { values(0, 0, 0, 0, 0, 3) = 0.9F; },
        "mass of its source");
  }

  TEST_CASE("raw maps must be probabilities") {
    const testing::SyntheticCapture maps{.maps = true};
    check_found(
        "/maps/layer_01/head_02/step_03", [](Array<float>& values) { values(2, 1, 15, 0) += 0.5F; },
        "row 15 of sample 2, branch 1 sums to 1.5", maps);
    check_found(
        "/maps/layer_01/head_02/step_03", [](Array<float>& values) { values(0, 0, 0, 0) = -0.1F; }, "negative", maps);
    check_found(
        "/maps/layer_01/head_02/step_03", [](Array<float>& values) { values(0, 0, 0, 0) = NAN; }, "row 0", maps);
  }

  TEST_CASE("what a reader would refuse is one error") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {});
    {
      Hdf5File file = Hdf5File::open_for_writing(folder / "c.h5");
      file.remove("/steps");
      file.close();
    }
    const auto findings = check_capture(folder / "c.h5");
    REQUIRE(findings.size() == 1);
    CHECK(describe(findings[0]) == "error: /: dataset /steps is missing");
  }

  TEST_CASE("a capture without any attention is an error and an unfinished one a warning") {
    const testing::TemporaryFolder folder;
    testing::write_synthetic_capture(folder / "c.h5", {.statistics = false, .complete = false});
    const auto findings = check_capture(folder / "c.h5");
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].severity == Severity::kWarning);
    CHECK(findings[0].place == "/@complete");
    CHECK(findings[1].severity == Severity::kError);
    CHECK(findings[1].place == "/statistics/step_03/column_variance");
  }

  TEST_CASE("a file that is no HDF5 file is an error of its own") {
    const testing::TemporaryFolder folder;
    std::ofstream(folder / "text.h5") << "no capture";
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)check_capture(folder / "text.h5"); }, "text.h5");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)check_capture(folder / "none.h5"); }, "none.h5");
  }
}
