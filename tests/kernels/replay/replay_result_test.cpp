#include "kernels/replay/replay_result.h"

#include "collectors/base/file.h"
#include "kernels/replay/replay_sample.h"
#include "support/errors.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace kvscope;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The error of reading the sample after `change` was made to its JSON.
template <typename Change, typename... Words>
void check_refused(Change&& change, const Words&... words) {
  Json json = to_json(testing::sample_replay());
  change(json);
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)replay_from_json(json, "r.json"); }, "r.json", words...);
}

}  // namespace

TEST_SUITE("kernels.replay.replay_result") {
  TEST_CASE("what was written is read back") {
    const testing::TemporaryFolder folder;
    const ReplayResult result = testing::sample_replay();
    write_replay(folder / "replay.json", result);
    const ReplayResult read = read_replay(folder / "replay.json");
    // Every figure of the sample differs from every other, so equal documents mean equal fields.
    CHECK(to_json(read) == to_json(result));
    CHECK(read.free_running->steps[1].output_error(1, 2) == result.free_running->steps[1].output_error(1, 2));
    CHECK(read.model == result.model);
    CHECK(read.steps == result.steps);
    CHECK(read.samples[0].class_compressed == 7);
    CHECK(read.cache.lossless_bytes == 7);
    CHECK(read.seconds.steps[1].compressed == 2.0);
    CHECK(read.images == "replay.h5");
  }

  TEST_CASE("the fields that other programs rely on have their names") {
    const Json json = to_json(testing::sample_replay());
    CHECK(json["format"] == "kvscope-replay");
    CHECK(json["version"] == 1);
    CHECK(json["cache"]["published_bytes"] == 9);
    CHECK(json["cache"]["predicted_bytes"] == 6);
    CHECK(json["teacher_forced"]["steps"][1]["output_error"][1].size() == 3);
    CHECK(json["teacher_forced"]["steps"][0]["kl"].contains("low"));
    CHECK(json["free_running"]["class_accuracy"]["compressed"].contains("high"));
    CHECK(json["free_running"]["frechet"]["full"].contains("mean"));
  }

  TEST_CASE("identical images have a PSNR of null that is read as infinite") {
    ReplayResult result = testing::sample_replay();
    result.free_running->psnr = {kInfinity, kInfinity, kInfinity};
    const Json json = to_json(result);
    CHECK(json["free_running"]["psnr"]["mean"].is_null());
    CHECK(json["free_running"]["psnr"]["identical"] == true);
    CHECK(json["samples"][1]["psnr"].is_null());
    const ReplayResult read = replay_from_json(json, "r.json");
    CHECK(read.free_running->psnr.low == kInfinity);
    CHECK(read.samples[1].psnr == kInfinity);
    CHECK(read.samples[0].psnr == 20.25);
  }

  TEST_CASE("a figure over nothing is null and is read as not a number") {
    ReplayResult result = testing::sample_replay();
    result.free_running->ssim = {std::nan(""), std::nan(""), std::nan("")};
    const Json json = to_json(result);
    CHECK_FALSE(json["free_running"]["ssim"].contains("identical"));
    CHECK(std::isnan(replay_from_json(json, "r.json").free_running->ssim.mean));
  }

  TEST_CASE("one mode alone and no evaluator are whole results") {
    ReplayResult result = testing::sample_replay();
    result.free_running.reset();
    for (ReplaySample& sample : result.samples) sample.class_full = sample.class_compressed = std::nullopt;
    result.images.clear();
    const ReplayResult read = replay_from_json(to_json(result), "r.json");
    CHECK_FALSE(read.free_running.has_value());
    CHECK(read.images.empty());
    CHECK_FALSE(read.samples[0].class_full.has_value());
    CHECK(to_json(read) == to_json(result));
  }

  TEST_CASE("unknown fields are ignored") {
    Json json = to_json(testing::sample_replay());
    json["novelty"] = 1;
    json["cache"]["novelty"] = 2;
    CHECK(to_json(replay_from_json(json, "r.json")) == to_json(testing::sample_replay()));
  }

  TEST_CASE("results follow the published schema") {
    constexpr std::string_view schema = "kernels/replay/replay.schema.json";
    ReplayResult result = testing::sample_replay();
    CHECK(testing::schema_complaints(schema, to_json(result)) == "");
    result.free_running->psnr = {kInfinity, kInfinity, kInfinity};
    result.free_running->evaluator.reset();
    result.requirements.clear();
    result.images.clear();
    CHECK(testing::schema_complaints(schema, to_json(result)) == "");
    result.free_running.reset();
    CHECK(testing::schema_complaints(schema, to_json(result)) == "");
    result.teacher_forced.reset();
    CHECK(testing::schema_complaints(schema, to_json(result)) != "");
  }

  TEST_CASE("the schema refuses what is no result") {
    constexpr std::string_view schema = "kernels/replay/replay.schema.json";
    const Json whole = to_json(testing::sample_replay());
    for (const char* field : {"format", "version", "cache", "seconds", "samples", "model", "steps", "made_from"}) {
      CAPTURE(field);
      Json json = whole;
      json.erase(field);
      CHECK(testing::schema_complaints(schema, json) != "");
    }
    Json json = whole;
    json["free_running"]["steps"][1]["output_error"][0][0].erase("low");
    CHECK(testing::schema_complaints(schema, json).find("free_running/steps/1/output_error/0/0") != std::string::npos);
    json = whole;
    json["version"] = 2;
    CHECK(testing::schema_complaints(schema, json).find("version") != std::string::npos);
  }

  TEST_CASE("a damaged result is refused with the field by name") {
    check_refused([](Json& json) { json["format"] = "kvscope-plan"; }, "kvscope-plan");
    check_refused([](Json& json) { json["version"] = 2; }, "version", "2");
    check_refused([](Json& json) { json.erase("cache"); }, "'cache'");
    check_refused([](Json& json) { json["cache"]["rows"] = "four"; }, "cache", "'rows'");
    check_refused([](Json& json) { json["free_running"]["steps"].erase(1); }, "free_running", "2 steps");
    check_refused([](Json& json) { json["free_running"]["steps"][1]["output_error"].erase(0); }, "steps[1]",
                  "2 layers");
    check_refused([](Json& json) { json["free_running"]["steps"][1]["output_error"][0].erase(0); }, "layer 0",
                  "3 heads");
    check_refused([](Json& json) { json["teacher_forced"]["steps"][0]["kl"]["low"] = "low"; }, "steps[0]", "kl",
                  "'low'");
    check_refused([](Json& json) { json["teacher_forced"]["kl"].erase("mean"); }, "teacher_forced", "kl", "'mean'");
    check_refused([](Json& json) { json["samples"] = 3; }, "samples");
    check_refused([](Json& json) { json["samples"][1].erase("label"); }, "samples[1]", "'label'");
    check_refused([](Json& json) { json["seconds"]["steps"][0].erase("full"); }, "seconds", "'full'");
  }

  TEST_CASE("a file that was cut short is refused") {
    const testing::TemporaryFolder folder;
    const std::string whole = to_json(testing::sample_replay()).dump();
    write_file(folder / "replay.json", whole.substr(0, whole.size() / 2));
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_replay(folder / "replay.json"); }, "replay.json");
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_replay(folder / "none.json"); }, "none.json");
  }
}
