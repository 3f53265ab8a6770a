#include "classifiers/plan/plan_methods.h"
#include "collectors/base/file.h"
#include "collectors/models/engine_factory.h"
#include "kernels/replay/replay_images.h"
#include "kernels/replay/replay_result.h"
#include "reports/command_line/bundled_model.h"
#include "reports/command_line/command_run.h"
#include "support/errors.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>

using namespace kvscope;
using testing::CommandOutcome;
using testing::run_command;

namespace {

CommandOutcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "replay");
  return run_command(words);
}

const Engine& bundled_engine() {
  static const std::unique_ptr<Engine> engine =
      load_engine({.transformer = bundled_model().transformer, .tokenizer = bundled_model().tokenizer});
  return *engine;
}

/// A folder with plans of the bundled model: every second head is contextual.
class PlanFolder {
 public:
  std::string plan(const PlanRequest& request, const std::string& name) {
    const ModelInfo& model = bundled_engine().model();
    HeadClassification heads{.method = "test", .layers = model.layers, .heads_per_layer = model.heads};
    for (int i = 0; i < model.layers * model.heads; ++i) {
      heads.heads.push_back({.layer = i / model.heads,
                             .head = i % model.heads,
                             .head_class = i % 2 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
    }
    const Plan made = make_plan(request, {.model = model, .steps = bundled_engine().steps(), .heads = heads});
    write_plan(folder_ / name, made);
    return file(name);
  }
  [[nodiscard]] std::string file(std::string_view name) const { return (folder_ / name).string(); }

 private:
  testing::TemporaryFolder folder_;
};

/// A failed requirement still prints its result, so the output may hold something.
void check_failed_naming(const CommandOutcome& outcome, ErrorCode code, const std::vector<std::string>& words) {
  CAPTURE(outcome.err);
  CHECK(outcome.status == static_cast<ExitStatus>(code));
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(outcome.err.find(word) != std::string::npos);
  }
}

}  // namespace

TEST_SUITE("reports.command_line.command_replay") {
  TEST_CASE("the plan lossless replays identically on the bundled model") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    const CommandOutcome outcome = run({"--plan", plan, "--labels", "5,9", "--cfg", "1.5", "--require",
                                        "psnr>=100,agreement>=1,kl<=0,forced-kl<=0,output-error<=0,class-agreement>=1",
                                        "-o", folder.file("out/replay.json")});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.out.find("identical") != std::string::npos);
    const ReplayResult result = read_replay(folder.file("out/replay.json"));
    CHECK(result.free_running->identical_images == 2);
    CHECK(result.cache.allocated_bytes == result.cache.lossless_bytes);
    CHECK(result.requirements.size() == 6);
    CHECK(result.run["guidance"] == 1.5);
    CHECK(result.samples[1].label == 9);
    CHECK(result.made_from["plan"]["sha256"].get<std::string>().size() == 64);
    CHECK(result.free_running->evaluator->frechet_full.has_value());
  }

  TEST_CASE("8-bit elements calibrated with a capture replay nearly identically in a quarter of the bytes") {
    PlanFolder folder;
    const std::vector<std::string> sampling = {"--samples", "4", "--cfg", "1.5", "--top-k", "100"};
    const auto with_sampling = [&](std::vector<std::string> words) {
      words.insert(words.end(), sampling.begin(), sampling.end());
      return run_command(words);
    };
    REQUIRE(with_sampling({"collect", "-o", folder.file("c.h5")}).status == 0);
    const std::string plan = folder.file("plan.json");
    const CommandOutcome made = run_command(
        {"plan", "--method", "lossless", "--elements", "int8", "--capture", folder.file("c.h5"), "-o", plan});
    CAPTURE(made.err);
    REQUIRE(made.status == 0);
    CHECK(made.out.find("scales and offsets") != std::string::npos);
    const CommandOutcome outcome = with_sampling(
        {"replay", "--plan", plan, "--require", "forced-kl<=0.002,agreement>=0.9", "-o", folder.file("replay.json")});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.out.find("8-bit codes: ") != std::string::npos);
    const Json document = parse_json(read_text_file(folder.file("replay.json")), "replay.json");
    CHECK(testing::schema_complaints("kernels/replay/replay.schema.json", document) == "");
    const ReplayResult result = read_replay(folder.file("replay.json"));
    const std::int64_t parameters = 36 * 32 * 16;
    CHECK(result.cache.allocated_bytes == result.cache.lossless_bytes / 4 + parameters);
    CHECK(result.cache.predicted_bytes == result.cache.allocated_bytes);
    CHECK(result.teacher_forced->kl.mean > 0.0);
    // K and V of 66 tokens in 36 heads of 32 channels and 8 rows, once for each of the two comparisons' runs at most.
    CHECK(result.cache.codes % (2 * 66 * 36 * 32 * 8) == 0);
    CHECK(result.cache.codes > 0);
    CHECK(1000 * result.cache.saturated_codes <= result.cache.codes);  // these samples were calibrated with
  }

  TEST_CASE("a compressed replay writes result and pictures that follow their formats") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "hack", .compression = 0.7}, "plan.json");
    const CommandOutcome outcome = run({"--plan", plan, "--samples", "4", "--cfg", "1.5", "--top-k", "100", "--images",
                                        "--json", "-o", folder.file("hack.replay.json")});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json document = parse_json(read_text_file(folder.file("hack.replay.json")), "hack.replay.json");
    CHECK(parse_json(outcome.out, "output") == document);
    CHECK(testing::schema_complaints("kernels/replay/replay.schema.json", document) == "");
    const ReplayResult result = read_replay(folder.file("hack.replay.json"));
    CHECK(result.images == "hack.replay.h5");
    CHECK(result.cache.allocated_bytes < result.cache.lossless_bytes);
    CHECK(result.teacher_forced->steps.front().kl.high == 0.0);
    CHECK(result.teacher_forced->steps.back().kl.mean > 0.0);
    CHECK(result.free_running->psnr.mean > 5.0);
    CHECK(result.free_running->psnr.mean < 60.0);
    const ReplayImages images = read_replay_images(folder.file("hack.replay.h5"));
    CHECK(images.full.shape() == Shape{4, 32, 32, 3});
    CHECK(images.labels == std::vector<std::int64_t>{0, 1, 2, 3});
    CHECK(images.kept.size() == 36 * 6);
  }

  TEST_CASE("a requirement that does not hold ends with status 1 after the file was written") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "hack", .compression = 0.7}, "plan.json");
    const CommandOutcome outcome = run({"--plan", plan, "--labels", "3", "--mode", "free", "--require",
                                        "cache-ratio<=0.01,ssim>=-1", "-o", folder.file("replay.json")});
    check_failed_naming(outcome, ErrorCode::kCheckFailed, {"cache-ratio is", "<= 0.01"});
    CHECK(outcome.err.find("ssim is") == std::string::npos);
    const ReplayResult result = read_replay(folder.file("replay.json"));
    CHECK_FALSE(result.requirements[0].holds);
    CHECK(result.requirements[1].holds);
    CHECK_FALSE(result.teacher_forced.has_value());
  }

  TEST_CASE("wrong command lines do nothing") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    const auto refused = [&](std::vector<std::string> words, const std::vector<std::string>& named) {
      words.insert(words.end(), {"-o", folder.file("replay.json")});
      check_failed_naming(run(words), ErrorCode::kUsage, named);
      CHECK_FALSE(std::filesystem::exists(folder.file("replay.json")));
    };
    refused({}, {"plan"});
    refused({"--plan", plan, "--samples", "0"}, {"--samples is 0"});
    refused({"--plan", plan, "--labels", "10"}, {"label 10", "0 to 9"});
    refused({"--plan", plan, "--mode", "most"}, {"--mode", "most"});
    refused({"--plan", plan, "--mode", "forced", "--images"}, {"--images"});
    refused({"--plan", plan, "--require", "psnr"}, {"--require", "psnr"});
    refused({"--plan", plan, "--mode", "forced", "--require", "psnr>=3"}, {"psnr", "free-running"});
    refused({"--plan", plan, "--unknown"}, {"--unknown"});
  }

  TEST_CASE("a GPU that is not there is an environment error and nothing is written") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    const CommandOutcome outcome = run({"--plan", plan, "--device", "cuda:126", "-o", folder.file("replay.json")});
    check_failed_naming(outcome, ErrorCode::kEnvironment, {"cuda:126: "});
    CHECK_FALSE(std::filesystem::exists(folder.file("replay.json")));
  }

  TEST_CASE("files that do not fit are named with status 3 and nothing is written") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    const auto refused = [&](std::vector<std::string> words, const std::vector<std::string>& named) {
      words.insert(words.end(), {"--labels", "1", "-o", folder.file("replay.json")});
      check_failed_naming(run(words), ErrorCode::kBadInput, named);
      CHECK_FALSE(std::filesystem::exists(folder.file("replay.json")));
    };
    refused({"--plan", folder.file("none.json")}, {"none.json"});
    const std::string text = read_text_file(plan);
    write_file(folder.file("short.json"), text.substr(0, text.size() / 2));
    refused({"--plan", folder.file("short.json")}, {"short.json"});
    Json other = parse_json(text, "plan");
    other["model"]["fingerprint"] = "0123";
    write_json_file(folder.file("other.json"), other);
    refused({"--plan", folder.file("other.json")}, {"other.json", "fingerprint", "0123"});
    // The model of the tests has other layers, heads and scales.
    const std::string data = testing::repository_file("tests/data").string();
    refused({"--plan", plan, "--checkpoint", data + "/var_basic/var.pth", "--tokenizer", data + "/var_vae.pth"},
            {"plan.json", "the model"});
    refused({"--plan", plan, "--checkpoint", data + "/var_basic/var.pth", "--tokenizer",
             bundled_model().tokenizer.string()},
            {"vae.safetensors"});
    refused({"--plan", plan, "--evaluator", bundled_model().tokenizer.string()}, {"vae.safetensors", "conv1.weight"});
    refused({"--plan", plan, "--evaluator-features", plan}, {"plan.json"});
  }

  TEST_CASE("an interrupted replay ends with status 130 and leaves nothing behind") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    // The signal is sent once the program says how far it is, which is long before so many samples are done.
    const std::string line = fmt::format(
        "'{}' replay --plan '{}' --samples 1000000 --images -o '{}' 2> '{}' & program=$!\n"
        "for i in $(seq 600); do grep -q 'sample steps after' '{}' && break; sleep 0.1; done\n"
        "kill -INT $program; wait $program",
        KVSCOPE_PROGRAM, plan, folder.file("replay.json"), folder.file("errors"), folder.file("errors"));
    const int status = std::system(line.c_str());
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 130);
    CHECK(read_text_file(folder.file("errors")).find("kvscope replay: interrupted") != std::string::npos);
    for (const char* file : {"replay.json", "replay.json.partial", "replay.h5", "replay.h5.partial"}) {
      CAPTURE(file);
      CHECK_FALSE(std::filesystem::exists(folder.file(file)));
    }
  }

  TEST_CASE("a full disk is an environment error before anything is generated") {
    PlanFolder folder;
    const std::string plan = folder.plan({.method = "lossless"}, "plan.json");
    write_file(folder.file("file"), "in the way");
    const CommandOutcome outcome = run({"--plan", plan, "--labels", "1", "-o", folder.file("file/replay.json")});
    check_failed_naming(outcome, ErrorCode::kEnvironment, {"file"});
    CHECK(outcome.err.find("sample steps") == std::string::npos);
  }

  TEST_CASE("help names every figure that can be required") {
    const CommandOutcome outcome = run({"--help"});
    CHECK(outcome.status == 0);
    for (const char* word : {"forced-kl", "cache-ratio", "--require", "--labels", "--mode", "frechet-increase"}) {
      CAPTURE(word);
      CHECK(outcome.out.find(word) != std::string::npos);
    }
  }
}
