// A text-to-image model, not square and with several bits a token, through the commands that generate and plan.
#include "collectors/base/file.h"
#include "collectors/capture/capture.h"
#include "collectors/hdf5/hdf5_file.h"
#include "collectors/text/text_features.h"
#include "kernels/replay/replay_result.h"
#include "reports/command_line/command_run.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

using namespace kvscope;
using testing::CommandOutcome;
using testing::repository_file;
using testing::run_command;

namespace {

/// A folder with the text features of the golden set infinity_patchify, and the calls that use them.
class Session {
 public:
  Session() {
    const Hdf5File golden = Hdf5File::open(repository_file("tests/data/infinity_patchify/golden.h5"));
    TextFeatures text;
    text.features = golden.read<float>("text");
    const auto lengths = golden.read<std::int64_t>("lens");
    text.lengths.assign(lengths.values().begin(), lengths.values().end());
    text.prompts = {"a harbour at dusk", "two foxes"};
    write_text_features(folder_ / "prompts.h5", text);
  }

  [[nodiscard]] std::string file(std::string_view name) const { return (folder_ / name).string(); }
  /// The command with the model and the prompts, and `more`.
  [[nodiscard]] CommandOutcome generate(const std::string& command, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {command,
                                      "--checkpoint",
                                      repository_file("tests/data/infinity_patchify/infinity.pth").string(),
                                      "--tokenizer",
                                      repository_file("tests/data/infinity_patchify/vae.pth").string(),
                                      "--text-features",
                                      file("prompts.h5"),
                                      "--pn",
                                      "0.06M",
                                      "--h-div-w",
                                      "0.5"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace

TEST_SUITE("reports.command_line.infinity_commands") {
  TEST_CASE("prompts become samples and heads of a text-to-image model are classified planned for and replayed") {
    const Session session;
    const CommandOutcome collected = session.generate("collect", {"--images", "-o", session.file("capture.h5")});
    CAPTURE(collected.err);
    REQUIRE(collected.status == 0);
    {
      const Capture capture = Capture::open(session.file("capture.h5"));
      CHECK(capture.model().family == "infinity");
      CHECK(describe(capture.steps()) == "1x1 2x2 2x4 3x6 5x10 8x16 11x22");
      CHECK(capture.labels() == std::vector<std::int64_t>{0, 1});
      CHECK(capture.prompts() == std::vector<std::string>{"a harbour at dusk", "two foxes"});
      CHECK(capture.bits().shape() == Shape{2, 451, 56});
      CHECK(capture.images().shape() == Shape{2, 176, 352, 3});
      const auto fidelity = capture.read(statistic::kFidelity, 6);
      for (const float error : fidelity.values()) CHECK(error < 1e-5F);
    }
    CHECK(run_command({"inspect", session.file("capture.h5"), "--check"}).status == 0);
    const CommandOutcome classified = run_command({"classify", session.file("capture.h5"), "--method", "variance",
                                                   "--alpha", "0.5", "-o", session.file("heads.json")});
    CAPTURE(classified.err);
    REQUIRE(classified.status == 0);
    for (const std::vector<std::string>& method :
         {std::vector<std::string>{"--method", "lossless"},
          std::vector<std::string>{"--method", "hack++", "--attend", "0.5", "--carry", "0.3"}}) {
      CAPTURE(method[1]);
      std::vector<std::string> words = {"plan",
                                        "--capture",
                                        session.file("capture.h5"),
                                        "--heads",
                                        session.file("heads.json"),
                                        "-o",
                                        session.file("plan.json")};
      words.insert(words.end(), method.begin(), method.end());
      const CommandOutcome planned = run_command(words);
      CAPTURE(planned.err);
      REQUIRE(planned.status == 0);
      const bool is_lossless = method[1] == "lossless";
      std::vector<std::string> replay = {"--plan", session.file("plan.json"), "-o", session.file("replay.json")};
      if (is_lossless) replay.insert(replay.end(), {"--require", "psnr>=100,agreement>=1,kl<=0,forced-kl<=0"});
      const CommandOutcome replayed = session.generate("replay", replay);
      CAPTURE(replayed.err);
      REQUIRE(replayed.status == 0);
      const ReplayResult result = read_replay(session.file("replay.json"));
      CHECK(result.samples.size() == 2);
      CHECK((result.free_running->kl.mean == 0.0) == is_lossless);
      CHECK((result.free_running->token_agreement.mean == 1.0) == is_lossless);
      CHECK(result.cache.allocated_bytes == result.cache.predicted_bytes);
    }
  }

  TEST_CASE("a file of weights says what it is") {
    const std::string weights = repository_file("tests/data/infinity_patchify/infinity.pth").string();
    const CommandOutcome outcome = run_command({"inspect", weights, "--check"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    for (const char* words : {"Infinity transformer", "depth 2", "2 heads of 64", "56 bits per token"}) {
      CAPTURE(words);
      CHECK(outcome.out.find(words) != std::string::npos);
    }
  }

  TEST_CASE("prompts that are missing or of another width are refused before anything is computed") {
    const Session session;
    const std::string weights = repository_file("tests/data/infinity_patchify/infinity.pth").string();
    const std::string tokenizer = repository_file("tests/data/infinity_patchify/vae.pth").string();
    testing::check_failure(
        run_command({"collect", "--checkpoint", weights, "--tokenizer", tokenizer, "-o", session.file("c.h5")}),
        ErrorCode::kUsage, "--text-features");
    testing::check_failure(session.generate("collect", {"--labels", "2", "-o", session.file("c.h5")}),
                           ErrorCode::kUsage, "the prompts 0 to 1");
    TextFeatures narrow;
    narrow.features = Array<float>({1, 4});
    narrow.lengths = {1};
    write_text_features(session.file("prompts.h5"), narrow);
    testing::check_failure(session.generate("collect", {"-o", session.file("c.h5")}), ErrorCode::kBadInput,
                           "prompts.h5: 'features' has the width 4, but the model reads text of width 128");
    testing::check_failure(
        run_command({"collect", "--text-features", session.file("prompts.h5"), "-o", session.file("c.h5")}),
        ErrorCode::kUsage, "generates classes");
    CHECK_FALSE(std::filesystem::exists(session.file("c.h5")));
  }

  TEST_CASE("streamed layers write the same capture and say how far each scale is") {
    const Session session;
    REQUIRE(session.generate("collect", {"-o", session.file("resident.h5")}).status == 0);
    const CommandOutcome streamed = session.generate("collect", {"--stream-layers", "-o", session.file("streamed.h5")});
    CAPTURE(streamed.err);
    REQUIRE(streamed.status == 0);
    CHECK(streamed.err.find("scale 7 of 7 (242 tokens): 2 of 2 layers after ") != std::string::npos);
    const Capture expected = Capture::open(session.file("resident.h5"));
    const Capture found = Capture::open(session.file("streamed.h5"));
    const auto found_bits = found.bits();
    const auto expected_bits = expected.bits();
    CHECK(std::ranges::equal(found_bits.values(), expected_bits.values()));
    const auto found_entropy = found.read(statistic::kEntropy, 6);
    const auto expected_entropy = expected.read(statistic::kEntropy, 6);
    CHECK(std::ranges::equal(found_entropy.values(), expected_entropy.values()));
  }

  TEST_CASE("too little memory is said before anything is made with what would fit") {
    const Session session;
    const CommandOutcome estimated = session.generate("collect", {"--estimate", "--json"});
    const std::int64_t enough = Json::parse(estimated.out)["resident_bytes"];
    const CommandOutcome outcome =
        session.generate("collect", {"--max-memory", std::to_string(enough / 2), "-o", session.file("none.h5")});
    testing::check_failure(outcome, ErrorCode::kEnvironment, "not enough memory: 2 samples together in float32 need");
    CHECK(outcome.err.find("--batch 1") != std::string::npos);
    CHECK(std::ranges::count(outcome.err, '\n') == 1);
    CHECK_FALSE(std::filesystem::exists(session.file("none.h5.partial")));
    CHECK(session.generate("collect", {"--max-memory", std::to_string(enough), "-o", session.file("c.h5")}).status ==
          0);
  }

  TEST_CASE("an estimate says what memory and time a run takes even where there is too little memory") {
    const Session session;
    const CommandOutcome outcome = session.generate("collect", {"--estimate", "--json", "--max-memory", "1"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json estimate = Json::parse(outcome.out);
    // The model has two layers, and streaming holds two.
    CHECK(estimate["resident_bytes"] == estimate["streamed_bytes"]);
    CHECK(estimate["streamed_bytes"] > estimate["memory_bytes"]);
    CHECK(estimate["generation_seconds"].get<double>() > 0.0);
    CHECK(estimate["statistics_seconds"].get<double>() > 0.0);
    CHECK(session.generate("collect", {"--estimate"}).out.find("the same with --stream-layers") != std::string::npos);
  }

  TEST_CASE("without guidance an estimate counts one row a sample") {
    const Session session;
    const auto estimate = [&](const std::string& guidance) {
      return Json::parse(session.generate("collect", {"--estimate", "--json", "--cfg", guidance}).out);
    };
    const Json guided = estimate("3");
    const Json alone = estimate("1");
    CHECK(alone["resident_bytes"] < guided["resident_bytes"]);
    CHECK(alone["file_bytes"] < guided["file_bytes"]);
  }

  TEST_CASE("an estimate of a replay says what its caches and the whole run take and writes nothing") {
    const Session session;
    REQUIRE(session.generate("collect", {"-o", session.file("capture.h5")}).status == 0);
    REQUIRE(run_command({"plan", "--method", "uniform", "--compression", "0.6", "--capture", session.file("capture.h5"),
                         "-o", session.file("plan.json")})
                .status == 0);
    const std::vector<std::string> words = {"--plan", session.file("plan.json"), "-o", session.file("replay.json")};
    const auto replay = [&](std::vector<std::string> more) {
      more.insert(more.begin(), words.begin(), words.end());
      return session.generate("replay", more);
    };
    const CommandOutcome estimated = replay({"--estimate", "--json", "--max-memory", "1"});
    CAPTURE(estimated.err);
    REQUIRE(estimated.status == 0);
    const Json estimate = Json::parse(estimated.out);
    CHECK(replay({"--estimate"}).out.find("a compressed cache of as many") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(session.file("replay.json")));

    const std::int64_t enough = estimate["resident_bytes"];
    testing::check_failure(replay({"--max-memory", std::to_string(enough - 1)}), ErrorCode::kEnvironment,
                           "not enough memory: 2 samples together");
    CHECK_FALSE(std::filesystem::exists(session.file("replay.json")));
    REQUIRE(replay({"--max-memory", std::to_string(enough)}).status == 0);
    const ReplayResult result = read_replay(session.file("replay.json"));
    CHECK(estimate["full_cache_bytes"] == result.cache.baseline_allocated_bytes);
    CHECK(estimate["compressed_cache_bytes"] == result.cache.allocated_bytes);
  }

  TEST_CASE("a run with other prompts does not go on with a partial capture") {
    const Session session;
    const std::string capture = session.file("capture.h5");
    REQUIRE(session.generate("collect", {"-o", capture}).status == 0);
    std::filesystem::rename(capture, capture + ".partial");
    {
      Hdf5File partial = Hdf5File::open_for_writing(capture + ".partial");
      partial.set_attribute("/", "complete", std::int64_t{0});
      partial.close();
    }
    TextFeatures text = read_text_features(session.file("prompts.h5"));
    text.features.values()[0] += 1.0F;
    write_text_features(session.file("prompts.h5"), text);
    testing::check_failure(session.generate("collect", {"--resume", "-o", capture}), ErrorCode::kBadInput,
                           "cannot resume: 'text' is");
    CHECK(std::filesystem::exists(capture + ".partial"));
  }
}
