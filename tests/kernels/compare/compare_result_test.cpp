#include "kernels/compare/compare_result.h"

#include "kernels/compare/sample_compare.h"
#include "support/errors.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

using namespace kvscope;
using testing::sample_compare;

namespace {

constexpr std::string_view kSchema = "kernels/compare/compare.schema.json";

template <typename... Words>
void check_refused(const std::function<void(Json&)>& damage, const Words&... words) {
  Json json = to_json(sample_compare());
  damage(json);
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)compare_from_json(json, "c.json"); }, "c.json", words...);
}

}  // namespace

TEST_SUITE("kernels.compare.result") {
  TEST_CASE("a written result reads back") {
    const testing::TemporaryFolder folder;
    write_compare(folder / "c.json", sample_compare());
    const CompareResult read = read_compare(folder / "c.json");
    CHECK(to_json(read) == to_json(sample_compare()));
    CHECK(read.complete);
    REQUIRE(read.find("sensitivity", 0.5) != nullptr);
    CHECK(read.find("sensitivity", 0.5)->values.forced_kl == std::vector<double>{0.5, 0.5, 0.5, 0.5});
    CHECK(read.find("sensitivity", 0.75) == nullptr);
    CHECK(read.find("hack", 0.25)->plan.rules.at("window") == 6);
    CHECK(read.differences.front().ratios.at("teacher_forced_kl").mean == doctest::Approx(2.0));
  }

  TEST_CASE("an unfinished result keeps the prices of candidates") {
    CompareResult result = sample_compare();
    result.complete = false;
    result.calibration_kl = {{"abcd", 0.125}};
    const CompareResult read = compare_from_json(to_json(result), "c.json");
    CHECK(read.calibration_kl == result.calibration_kl);
    CHECK(testing::schema_complaints(kSchema, to_json(result)) == "");
    CHECK_FALSE(to_json(sample_compare()).contains("calibration"));
  }

  TEST_CASE("identical images have no PSNR") {
    CompareResult result = sample_compare();
    result.cells[0].values.psnr = std::vector<double>(4, std::numeric_limits<double>::infinity());
    result.cells[0].free_running.psnr = summarise_psnr(result.cells[0].values.psnr);
    const Json json = to_json(result);
    CHECK(json["cells"][0]["values"]["free_running"]["psnr"][3].is_null());
    CHECK(json["cells"][0]["free_running"]["psnr"]["identical"] == true);
    CHECK(std::isinf(compare_from_json(json, "c.json").cells[0].values.psnr[3]));
    CHECK(testing::schema_complaints(kSchema, json) == "");
  }

  TEST_CASE("results follow the published schema") {
    CompareResult result = sample_compare();
    CHECK(testing::schema_complaints(kSchema, to_json(result)) == "");
    for (CompareCell& cell : result.cells) {
      cell.values.classes.clear();
      cell.search.clear();
      cell.free_running.class_accuracy = cell.free_running.class_agreement = cell.free_running.frechet = std::nullopt;
      cell.plan.contextual_heads.reset();
      cell.plan.file = "x.plan.json";
      cell.seconds.attention.reset();
    }
    result.full = {.seconds = {1.0, 1.0, 1.0}, .class_accuracy = {}, .frechet = {}, .classes = {}};
    result.differences = all_differences(result, {});
    CHECK(testing::schema_complaints(kSchema, to_json(result)) == "");
    CHECK(to_json(compare_from_json(to_json(result), "c.json")) == to_json(result));
  }

  TEST_CASE("the schema refuses what is no result") {
    const Json whole = to_json(sample_compare());
    for (const char* field : {"format", "version", "complete", "request", "samples", "cache", "full", "cells",
                              "differences", "pareto", "made_from"}) {
      CAPTURE(field);
      Json json = whole;
      json.erase(field);
      CHECK(testing::schema_complaints(kSchema, json) != "");
    }
    Json json = whole;
    json["cells"][1]["teacher_forced"]["kl"].erase("low");
    CHECK(testing::schema_complaints(kSchema, json).find("cells/1/teacher_forced/kl") != std::string::npos);
    json = whole;
    json["cells"][1]["budget"] = 1.5;
    CHECK(testing::schema_complaints(kSchema, json) != "");
    json = whole;
    json["differences"][0]["figures"]["psnr"].erase("samples");
    CHECK(testing::schema_complaints(kSchema, json) != "");
  }

  TEST_CASE("a damaged result is refused with the field by name") {
    check_refused([](Json& json) { json["format"] = "kvscope-replay"; }, "kvscope-replay");
    check_refused([](Json& json) { json["version"] = 2; }, "version", "2");
    check_refused([](Json& json) { json.erase("cells"); }, "'cells'");
    check_refused([](Json& json) { json["cells"] = 3; }, "'cells'");
    check_refused([](Json& json) { json["cells"][2]["plan"].erase("sha256"); }, "cells[2]", "plan", "'sha256'");
    check_refused([](Json& json) { json["cells"][2]["values"]["teacher_forced"]["kl"].erase(0); }, "cells[2]",
                  "3 values", "4 samples");
    check_refused([](Json& json) { json["cells"][2]["values"]["free_running"]["class"] = {0, 1}; }, "2 classes");
    check_refused([](Json& json) { json["cells"][0]["values"]["free_running"]["ssim"][1] = "high"; }, "'ssim'", "high");
    check_refused([](Json& json) { json["cells"][0]["free_running"]["ssim"]["mean"] = true; }, "ssim", "'mean'");
    check_refused([](Json& json) { json["samples"]["evaluation"]["label"].erase(0); }, "4 samples", "3 labels");
    check_refused([](Json& json) { json["pareto"][0]["kl"] = "small"; }, "pareto[0]", "'kl'");
    check_refused([](Json& json) { json["differences"][0]["figures"]["ssim"].erase("samples"); }, "differences[0]",
                  "ssim", "'samples'");
  }
}
