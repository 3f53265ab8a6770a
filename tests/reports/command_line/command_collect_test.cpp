#include "collectors/base/json_file.h"
#include "collectors/capture/capture.h"
#include "reports/command_line/command.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace kvscope;

namespace {

struct Outcome {
  ExitStatus status = 0;
  std::string out;
  std::string err;
};

Outcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "collect");
  std::ostringstream out;
  std::ostringstream err;
  const ExitStatus status = run_command_line(words, out, err);
  return {status, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The command refuses `words` with `status`, says `word`, and leaves no file behind.
void check_refused(std::vector<std::string> words, ExitStatus status, const std::string& word) {
  const testing::TemporaryFolder folder;
  words.insert(words.end(), {"-o", (folder / "c.h5").string()});
  const Outcome outcome = run(words);
  CAPTURE(outcome.err);
  CHECK(outcome.status == status);
  CHECK(outcome.out.empty());
  CHECK(contains(outcome.err, word));
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace

TEST_SUITE("reports.command_line.command_collect") {
  TEST_CASE("labels alone make one sample each and the capture says how it was made") {
    const testing::TemporaryFolder folder;
    const Outcome outcome = run({"--labels", "3,7", "--seed", "5", "--top-k", "100", "--images", "--maps",
                                 "layers=5,heads=2,steps=5", "--json", "-o", (folder / "c.h5").string()});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(parse_json(outcome.out, "stdout")["samples"] == 2);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.labels() == std::vector<std::int64_t>{3, 7});
    CHECK(capture.model().family == "var");
    CHECK(capture.model().layers == 6);
    CHECK(capture.steps() == StepTable::square(std::vector<int>{1, 2, 3, 4, 6, 8}));
    CHECK(capture.images().shape() == Shape{2, 32, 32, 3});
    CHECK(capture.maps().size() == 1);
    CHECK(contains(capture.run()["command_line"].get<std::string>(), "--labels 3,7"));
    CHECK(capture.run()["settings"]["seed"] == 5);
    CHECK(capture.run()["versions"].contains("kvscope"));
    const auto fidelity = capture.read(statistic::kFidelity, 5);
    for (const float error : fidelity.values()) CHECK(error < 1e-5F);
  }

  TEST_CASE("bfloat16 runs are captured with the fidelity of bfloat16") {
    const testing::TemporaryFolder folder;
    REQUIRE(run({"--labels", "1", "--dtype", "bf16", "-o", (folder / "c.h5").string()}).status == 0);
    const Capture capture = Capture::open(folder / "c.h5");
    CHECK(capture.model().key_type == ElementType::kBFloat16);
    const auto fidelity = capture.read(statistic::kFidelity, 5);
    for (const float error : fidelity.values())
      CHECK(error < 0.02F);  // 2^-9 rounding of the output and of the library's weights
  }

  TEST_CASE("labels are cycled through up to the number of samples") {
    const testing::TemporaryFolder folder;
    std::ofstream(folder / "labels.txt") << "4\n2\n";
    REQUIRE(run({"--labels-file", (folder / "labels.txt").string(), "--samples", "3", "-o", (folder / "c.h5").string()})
                .status == 0);
    CHECK(Capture::open(folder / "c.h5").labels() == std::vector<std::int64_t>{4, 2, 4});
  }

  TEST_CASE("an estimate runs nothing and needs no output") {
    const Outcome outcome = run({"--samples", "1000", "--maps", "all", "--estimate", "--json"});
    REQUIRE(outcome.status == 0);
    const Json estimate = parse_json(outcome.out, "stdout");
    CHECK(estimate["file_bytes"].get<std::int64_t>() > 1'000'000'000);
    const Outcome limited = run({"--samples", "1000", "--maps", "all", "--estimate", "--max-bytes", "200000000"});
    CHECK(contains(limited.err, "left out"));
    CHECK(contains(limited.err, "maps"));
    CHECK(contains(limited.out, "finished file"));
  }

  TEST_CASE("wrong requests are refused before a file is made") {
    check_refused({"--labels", "10"}, 2, "label 10");
    check_refused({"--labels", "-1"}, 2, "-1");
    check_refused({"--samples", "0"}, 2, "samples");
    check_refused({"--maps", "layers=9"}, 2, "layers 9");
    check_refused({"--keep", "everything"}, 2, "everything");
    check_refused({"--max-bytes", "10"}, 2, "--max-bytes 10");
    check_refused({"--resume", "--overwrite"}, 2, "contradict");
    check_refused({"--checkpoint", "/nonexistent/var.pth", "--tokenizer", "/nonexistent/vae.pth"}, 3, "/nonexistent");
    check_refused({"--device", "gpu"}, 2, "--device is 'gpu', expected cpu, cuda or cuda:N");
    check_refused({"--dtype", "fp16"}, 2, "fp16 needs --device cuda");
    // No machine has so many: the reason depends on what there is, the status does not.
    check_refused({"--device", "cuda:126"}, 4, "cuda:126: ");
    const Outcome outcome = run({"--samples", "1"});
    CHECK(outcome.status == 2);
    CHECK(contains(outcome.err, "output"));
  }

  TEST_CASE("help names every option with its unit and default") {
    const Outcome outcome = run({"--help"});
    CHECK(outcome.status == 0);
    for (const char* word :
         {"--labels", "--samples", "--maps", "--max-bytes", "bytes", "--estimate", "--resume", "--keep"}) {
      CAPTURE(word);
      CHECK(contains(outcome.out, word));
    }
  }
}
