// A small text-to-image model with random weights through comparison and report, and a plan at steps that it was not
// made for.
#include "classifiers/plan/plan.h"
#include "collectors/base/file.h"
#include "collectors/capture/capture.h"
#include "collectors/text/text_features.h"
#include "kernels/compare/compare_result.h"
#include "kernels/replay/replay_result.h"
#include "reports/command_line/command_run.h"
#include "support/paths.h"
#include "support/random_infinity.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

using namespace kvscope;
using testing::CommandOutcome;
using testing::run_command;

namespace {

using Words = std::vector<std::string>;

class Model {
 public:
  Model() : files_(testing::write_random_infinity(folder_.path(), {.heads = 2, .head_dim = 32})) {
    std::mt19937_64 random(3);
    std::normal_distribution<float> normal;
    TextFeatures text;
    text.lengths = {5, 3};
    text.features = Array<float>({8, 128});
    for (float& value : text.features.values()) value = normal(random);
    text.prompts = {"a lighthouse in fog", "three pears"};
    write_text_features(folder_ / "text.h5", text);
  }

  [[nodiscard]] std::string file(std::string_view name) const { return (folder_ / name).string(); }
  [[nodiscard]] CommandOutcome generate(const std::string& command, const std::string& aspect,
                                        const Words& more) const {
    Words words = {command,
                   "--checkpoint",
                   files_.transformer.string(),
                   "--tokenizer",
                   files_.tokenizer.string(),
                   "--text-features",
                   file("text.h5"),
                   "--pn",
                   "0.06M",
                   "--h-div-w",
                   aspect};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }

 private:
  testing::TemporaryFolder folder_;
  testing::InfinityFiles files_;
};

void check_done(const CommandOutcome& outcome) {
  CAPTURE(outcome.err);
  REQUIRE(outcome.status == 0);
}

}  // namespace

TEST_SUITE("reports.command_line.infinity_report") {
  TEST_CASE("methods are compared on a text-to-image model and the report shows everything") {
    const Model model;
    const auto file = [&](std::string_view name) { return model.file(name); };
    check_done(model.generate("collect", "1.5",
                              {"--images", "--maps", "layers=1,heads=0,steps=5-6", "-o", file("capture.h5")}));
    check_done(run_command(
        {"classify", file("capture.h5"), "--method", "variance", "--alpha", "0.5", "-o", file("heads.json")}));
    check_done(run_command({"plan", "--method", "hack", "--compression", "0.6", "--capture", file("capture.h5"),
                            "--heads", file("heads.json"), "-o", file("plan.json")}));
    check_done(model.generate("replay", "1.5", {"--plan", file("plan.json"), "--images", "-o", file("replay.json")}));
    check_done(
        model.generate("compare", "1.5",
                       {"--capture", file("capture.h5"), "--methods", "hack:alpha=0.5,uniform:window,sensitivity",
                        "--budgets", "0.3", "--calibration-samples", "2", "-o", file("compare.json")}));
    const CompareResult compared = read_compare(file("compare.json"));
    REQUIRE(compared.cells.size() == 3);
    for (const CompareCell& cell : compared.cells) {
      CHECK(cell.plan.allocated_bytes <= cell.budget_bytes);
      CHECK_FALSE(cell.free_running.class_agreement.has_value());
    }
    check_done(run_command({"report", "--capture", file("capture.h5"), "--heads", file("heads.json"), "--plan",
                            file("plan.json"), "--replay", file("replay.json"), "--compare", file("compare.json"),
                            "--sensitivity", file("compare.sensitivity.h5"), "-o", file("report")}));
    const std::string page = read_text_file(file("report/index.html"));
    for (const char* words : {"infinity", "hack", "uniform:window", "title=\"a lighthouse in fog\"",
                              "\"first_prompt\":\"a lighthouse in fog\""}) {
      CAPTURE(words);
      CHECK(page.find(words) != std::string::npos);
    }
  }

  TEST_CASE("a plan at another aspect ratio runs with a warning that it was not proven there") {
    const Model model;
    const auto file = [&](std::string_view name) { return model.file(name); };
    check_done(model.generate("collect", "1", {"-o", file("capture.h5")}));
    check_done(run_command({"plan", "--method", "uniform", "--compression", "0.6", "--capture", file("capture.h5"),
                            "-o", file("plan.json")}));
    const std::string warning = "warning: " + file("plan.json") + ": made for the steps 1x1 2x2 4x4";
    const CommandOutcome same = model.generate("replay", "1", {"--plan", file("plan.json"), "-o", file("same.json")});
    check_done(same);
    CHECK(same.err.find("warning") == std::string::npos);
    const CommandOutcome other =
        model.generate("replay", "0.5", {"--plan", file("plan.json"), "-o", file("other.json")});
    check_done(other);
    CHECK(other.err.find(warning) != std::string::npos);
    CHECK(other.err.find("not proven there\n") != std::string::npos);
    const ReplayResult result = read_replay(file("other.json"));
    CHECK(describe(result.steps) == "1x1 2x2 2x4 3x6 5x10 8x16 11x22");
    CHECK(result.parameters["scaled_from"] == describe(read_plan(file("plan.json")).steps));
    CHECK(result.cache.allocated_bytes == result.cache.predicted_bytes);
    const CommandOutcome profiled =
        model.generate("profile", "0.5", {"--plan", file("plan.json"), "--warm-up", "0", "--samples", "1"});
    check_done(profiled);
    CHECK(profiled.err.find(warning) != std::string::npos);

    testing::check_failure(model.generate("compare", "0.5", {"--capture", file("capture.h5"), "-o", file("c.json")}),
                           ErrorCode::kBadInput, "the capture is of the steps 1x1 2x2 4x4");
  }

  TEST_CASE("a plan for another number of scales is refused with both schedules") {
    const Model model;
    check_done(model.generate("collect", "1", {"-o", model.file("capture.h5")}));
    check_done(run_command(
        {"plan", "--method", "lossless", "--capture", model.file("capture.h5"), "-o", model.file("plan.json")}));
    const CommandOutcome outcome =
        run_command({"replay", "--checkpoint", model.file("transformer.safetensors"), "--tokenizer",
                     model.file("tokenizer.safetensors"), "--text-features", model.file("text.h5"), "--pn", "0.25M",
                     "--plan", model.file("plan.json"), "-o", model.file("replay.json")});
    testing::check_failure(outcome, ErrorCode::kBadInput, "7 steps are not 10");
    CHECK(outcome.err.find(model.file("plan.json")) != std::string::npos);
  }
}
