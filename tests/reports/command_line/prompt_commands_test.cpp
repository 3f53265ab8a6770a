// Prompts through the text encoder and the model in one call: from words to images.
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
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
using testing::check_failure;
using testing::CommandOutcome;
using testing::repository_file;
using testing::run_command;
using testing::TemporaryFolder;

namespace {

using Words = std::vector<std::string>;

std::string data(const char* name) {
  return repository_file("tests/data") / name;
}

/// A command with the golden model infinity_basic, which reads texts of width 128 and up to 16 tokens.
CommandOutcome generate(const std::string& command, const Words& more) {
  Words words = {command,
                 "--checkpoint",
                 data("infinity_basic/infinity.pth"),
                 "--tokenizer",
                 data("infinity_basic/vae.pth"),
                 "--pn",
                 "0.06M",
                 "--top-k",
                 "1"};
  words.insert(words.end(), more.begin(), more.end());
  return run_command(words);
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const Words kEncoder = {"--text-encoder", data("t5")};
const Words kTwoPrompts = {"--text-encoder", data("t5"), "--prompt", "two foxes", "--prompt", "rain"};

/// The prompts of tests/data/t5 and what the published encoder made of them, as text features.
TextFeatures published_text() {
  const Hdf5File golden = Hdf5File::open(data("t5/golden.h5"));
  TextFeatures text;
  std::vector<float> rows;
  for (const std::string& name : golden.children("/")) {
    const std::string prompt = golden.text_attribute(name, "prompt");
    if (prompt.empty()) continue;
    const auto features = golden.read<float>(name + "/features");
    text.prompts.push_back(prompt);
    text.lengths.push_back(static_cast<std::int32_t>(features.extent(0)));
    rows.insert(rows.end(), features.values().begin(), features.values().end());
  }
  text.features = Array<float>({std::ssize(rows) / 128, 128}, rows);
  return text;
}

bool is_one_line(const std::string& text) {
  return std::ranges::count(text, '\n') == 1 && text.ends_with('\n');
}

void check_refused(const CommandOutcome& outcome, ErrorCode code, const std::string& word) {
  check_failure(outcome, code, word);
  CHECK(is_one_line(outcome.err));
}

}  // namespace

TEST_SUITE("reports.command_line.prompt_commands") {
  TEST_CASE("prompts become the images that the published encoder's features become") {
    const TemporaryFolder folder;
    const TextFeatures published = published_text();
    write_text_features(folder / "published.h5", published);
    std::string lines;
    for (const std::string& prompt : published.prompts) lines += prompt + "\n";
    write_file(folder / "prompts.txt", lines);

    const std::string from_prompts = (folder / "prompts.h5").string();
    const std::string from_features = (folder / "features.h5").string();
    const CommandOutcome encoded =
        generate("collect",
                 with(kEncoder, {"--prompts-file", (folder / "prompts.txt").string(), "--images", "-o", from_prompts}));
    CAPTURE(encoded.err);
    REQUIRE(encoded.status == 0);
    // The model reads 16 tokens, of which the end takes one.
    CHECK(encoded.err.find("warning: prompt 3 has 17 tokens, 16 fit") != std::string::npos);
    CHECK(encoded.err.find("rain and light and a', byte 71 of 75") != std::string::npos);
    REQUIRE(
        generate("collect", {"--text-features", (folder / "published.h5").string(), "--images", "-o", from_features})
            .status == 0);

    const Capture found = Capture::open(from_prompts);
    const Capture expected = Capture::open(from_features);
    CHECK(found.prompts() == published.prompts);
    CHECK(found.prompts() == expected.prompts());
    const auto bits = found.bits();
    const auto expected_bits = expected.bits();
    REQUIRE(bits.shape() == Shape{5, 521, 16});
    // Features agree to 1e-5, so a bit differs only where its two logits all but tie.
    std::int64_t equal = 0;
    for (std::int64_t i = 0; i < bits.size(); ++i)
      equal += bits.values()[static_cast<std::size_t>(i)] == expected_bits.values()[static_cast<std::size_t>(i)];
    CHECK(equal >= bits.size() - bits.size() / 1000);
    CHECK(found.images().shape() == Shape{5, 256, 256, 3});
  }

  TEST_CASE("prompts in the run and encoded beforehand give the same bits") {
    const TemporaryFolder folder;
    const std::string features = (folder / "features.h5").string();
    REQUIRE(run_command(with(Words{"encode-text", "-o", features}, kTwoPrompts)).status == 0);
    for (const auto& [words, name] :
         {std::pair(kTwoPrompts, "a.h5"), std::pair(Words{"--text-features", features}, "b.h5")}) {
      const CommandOutcome outcome = generate("collect", with(words, {"--images", "-o", (folder / name).string()}));
      CAPTURE(outcome.err);
      REQUIRE(outcome.status == 0);
    }
    const Capture a = Capture::open(folder / "a.h5");
    const Capture b = Capture::open(folder / "b.h5");
    CHECK(std::ranges::equal(a.bits().values(), b.bits().values()));
    CHECK(std::ranges::equal(a.images().values(), b.images().values()));
    CHECK(a.run()["settings"] == b.run()["settings"]);
  }

  TEST_CASE("an estimate counts the tokens of prompts and needs no weights of the encoder") {
    const TemporaryFolder folder;
    for (const char* file : {"config.json", "spiece.model"})
      std::filesystem::copy_file(std::filesystem::path(data("t5")) / file, folder / file);
    const auto estimate = [&](const Words& words) {
      const CommandOutcome outcome = generate("collect", with(words, {"--estimate", "--json"}));
      CAPTURE(outcome.err);
      REQUIRE(outcome.status == 0);
      return Json::parse(outcome.out)["resident_bytes"].get<std::int64_t>();
    };
    const Words prompts = {"--prompt", "two foxes", "--prompt", "rain"};
    const std::int64_t need = estimate(with({"--text-encoder", folder.path().string()}, prompts));
    CHECK(need == estimate(kTwoPrompts));
    CHECK(need < estimate(with(kEncoder, {"--prompt", "two foxes that sleep", "--prompt", "rain"})));
    CHECK(generate("collect",
                   with(with({"--text-encoder", folder.path().string()}, prompts), {"-o", (folder / "c.h5").string()}))
              .status != 0);
  }

  TEST_CASE("every command that generates takes prompts") {
    const TemporaryFolder folder;
    const auto file = [&](const char* name) { return (folder / name).string(); };
    const Words text = with(kTwoPrompts, {"--negative-prompt", "fog"});
    const auto done = [&](const std::string& command, const Words& more) {
      const CommandOutcome outcome = generate(command, with(text, more));
      CAPTURE(command);
      CAPTURE(outcome.err);
      REQUIRE(outcome.status == 0);
      CHECK(outcome.err.find("encode text: 3 of 3 prompts") != std::string::npos);
    };
    done("collect", {"-o", file("capture.h5")});
    REQUIRE(run_command({"plan", "--method", "uniform", "--compression", "0.5", "--capture", file("capture.h5"), "-o",
                         file("plan.json")})
                .status == 0);
    done("replay", {"--plan", file("plan.json"), "-o", file("replay.json")});
    const Json run = read_json_file(file("replay.json"), "kvscope-replay", 1)["run"];
    CHECK(run["text_encoder"] == data("t5"));
    CHECK(run["negative_prompt"] == "fog");
    CHECK(run["text"].get<std::string>().size() == 64);
    CHECK(run["negative_text"].get<std::string>().size() == 64);
    done("profile", {"--warm-up", "0"});
    done("sensitivity", {"--capture", file("capture.h5"), "--samples", "1", "--draws", "1", "--budgets", "8", "-o",
                         file("sensitivity.h5")});
    done("compare", {"--capture", file("capture.h5"), "--methods", "uniform:window", "--budgets", "0.5",
                     "--calibration-samples", "1", "-o", file("compare.json")});
  }

  TEST_CASE("guidance 1 generates the conditional rows alone and changes none of their bits") {
    const TemporaryFolder folder;
    const auto collected = [&](const char* name, const Words& more) {
      const std::string file = (folder / name).string();
      const CommandOutcome outcome = generate("collect", with(with(kTwoPrompts, more), {"-o", file}));
      CAPTURE(outcome.err);
      REQUIRE(outcome.status == 0);
      return Capture::open(file);
    };
    const Capture alone = collected("alone.h5", {"--cfg", "1"});
    const Capture listed = collected("listed.h5", {"--cfg", "1,1,1,1,1,1,1"});
    const Capture nearly = collected("nearly.h5", {"--cfg", "1,1,1,1,1,1,1.5"});
    CHECK(alone.model().branches == std::vector<std::string>{"conditional"});
    CHECK(listed.model().branches == std::vector<std::string>{"conditional"});
    CHECK(nearly.model().branches.size() == 2);
    CHECK(std::ranges::equal(alone.bits().values(), listed.bits().values()));
    // Up to the last scale nothing guides.
    const auto bits = alone.bits();
    const auto other = nearly.bits();
    const std::size_t before_last = (521 - 256) * 16;
    CHECK(std::ranges::equal(bits.slice(0).first(before_last), other.slice(0).first(before_last)));
    CHECK_FALSE(std::ranges::equal(bits.slice(0), other.slice(0)));
    const auto masses = alone.read(statistic::kEntropy, 5);
    const auto other_masses = nearly.read(statistic::kEntropy, 5);
    CHECK(masses.shape() == Shape{2, 1, 2, 2});
    for (std::int64_t layer = 0; layer < 2; ++layer)
      for (std::int64_t head = 0; head < 2; ++head) CHECK(masses(1, 0, layer, head) == other_masses(1, 0, layer, head));

    const std::string capture = (folder / "alone.h5").string();
    const std::string plan = (folder / "plan.json").string();
    const std::string replay = (folder / "replay.json").string();
    CHECK(run_command({"inspect", capture, "--check"}).status == 0);
    REQUIRE(run_command({"plan", "--method", "lossless", "--capture", capture, "-o", plan}).status == 0);
    const CommandOutcome replayed =
        generate("replay", with(kTwoPrompts, {"--cfg", "1", "--plan", plan, "-o", replay, "--require",
                                              "psnr>=100,agreement>=1,kl<=0,forced-kl<=0"}));
    CAPTURE(replayed.err);
    REQUIRE(replayed.status == 0);
    CHECK(read_replay(replay).cache.rows == 2);
    CHECK(
        generate("sensitivity", with(kTwoPrompts, {"--cfg", "1", "--capture", capture, "--samples", "1", "--draws", "1",
                                                   "--budgets", "8", "--check", "2", "-o", (folder / "s.h5").string()}))
            .status == 0);
  }

  TEST_CASE("a negative prompt and lists of guidance change what is generated and are part of what a run is") {
    const TemporaryFolder folder;
    const auto settings = [&](const char* name, const Words& more) {
      const std::string file = (folder / name).string();
      const CommandOutcome outcome = generate(
          "collect", with(Words{"--text-encoder", data("t5"), "--prompt", "two foxes"}, with(more, {"-o", file})));
      CAPTURE(outcome.err);
      REQUIRE(outcome.status == 0);
      const Capture capture = Capture::open(file);
      const auto bits = capture.bits();
      const std::vector<std::uint8_t> values(bits.values().begin(), bits.values().end());
      return std::pair(capture.run()["settings"], values);
    };
    const auto plain = settings("plain.h5", {});
    const auto negative = settings("negative.h5", {"--negative-prompt", "fog"});
    const auto listed = settings("listed.h5", {"--cfg", "3,3,3,3,3,3,2", "--temperature", "0.5,1,1,1,1,1,0.5"});
    CHECK_FALSE(plain.first.contains("negative_text"));
    CHECK(negative.first.contains("negative_text"));
    CHECK(negative.first["text"] == plain.first["text"]);
    CHECK(negative.second != plain.second);
    CHECK(listed.first["guidance_of_step"] == Json{3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0});
    CHECK(listed.first["temperature_of_step"].size() == 7);
    CHECK(listed.second != plain.second);
  }

  TEST_CASE("what cannot be encoded or generated is refused in one line before anything is computed") {
    const TemporaryFolder folder;
    const std::string output = (folder / "c.h5").string();
    const auto refused = [&](const Words& words, ErrorCode code, const std::string& word) {
      CAPTURE(word);
      check_refused(generate("collect", with(words, {"-o", output})), code, word);
    };
    refused(kEncoder, ErrorCode::kUsage, "--text-encoder needs prompts");
    refused({"--prompt", "two foxes"}, ErrorCode::kUsage, "need --text-encoder");
    refused(with(kEncoder, {"--prompt", " \t"}), ErrorCode::kUsage, "prompt 0 is empty");
    refused(with(kEncoder, {"--prompt", "a", "--prompts-file", "b"}), ErrorCode::kUsage, "exclude each other");
    refused(with(kTwoPrompts, {"--text-features", "t.h5"}), ErrorCode::kUsage, "--text-features excludes");
    refused(with(kTwoPrompts, {"--negative-prompt", " "}), ErrorCode::kUsage, "--negative-prompt is empty");
    refused({"--text-features", data("t5/golden.h5")}, ErrorCode::kBadInput, "'features' is missing");
    refused({"--negative-prompt", "fog"}, ErrorCode::kUsage, "--negative-prompt needs --text-encoder");
    refused(with(kTwoPrompts, {"--cfg", "3,x"}), ErrorCode::kUsage, "--cfg: 'x' is not a number");
    refused(with(kTwoPrompts, {"--temperature", "1,0"}), ErrorCode::kUsage, "--temperature is 0");
    refused({"--text-encoder", folder.path().string(), "--prompt", "a"}, ErrorCode::kBadInput, "config.json");
    refused(with(kEncoder, {"--prompts-file", (folder / "none.txt").string()}), ErrorCode::kBadInput, "none.txt");
    write_file(folder / "blank.txt", "# nothing\n\n");
    refused(with(kEncoder, {"--prompts-file", (folder / "blank.txt").string()}), ErrorCode::kBadInput, "no prompt");

    std::string config = read_text_file(data("t5/config.json"));
    const std::string width = R"("d_model": 128)";
    REQUIRE(config.find(width) != std::string::npos);
    config.replace(config.find(width), width.size(), R"("d_model": 64)");
    write_file(folder / "config.json", config);
    refused({"--text-encoder", folder.path().string(), "--prompt", "a"}, ErrorCode::kBadInput,
            "width 64, but the model reads text of width 128");
    check_refused(run_command(with(Words{"collect", "-o", output}, kTwoPrompts)), ErrorCode::kUsage,
                  "--prompt: this model generates classes");
    check_refused(run_command(with(Words{"collect", "--checkpoint", data("var_basic/var.pth"), "--tokenizer",
                                         data("var_vae.pth"), "-o", output},
                                   kTwoPrompts)),
                  ErrorCode::kUsage, "--prompt: this model generates classes");
    CHECK_FALSE(std::filesystem::exists(output));
  }

  TEST_CASE("settings that do not fit the model are refused in one line") {
    const TemporaryFolder folder;
    TextFeatures text = published_text();
    write_text_features(folder / "t.h5", text);
    const auto refused = [&](const Words& words, const std::string& word) {
      CAPTURE(word);
      check_refused(
          generate("collect",
                   with(Words{"--text-features", (folder / "t.h5").string(), "-o", (folder / "c.h5").string()}, words)),
          ErrorCode::kUsage, word);
    };
    refused({"--cfg", "3,3"}, "guidance of 2 steps, but the model runs 7");
    refused({"--temperature", "1,1,1"}, "temperature of 3 steps, but the model runs 7");
    CHECK_FALSE(std::filesystem::exists(folder / "c.h5"));
  }
}
