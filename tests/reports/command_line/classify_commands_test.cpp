#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "reports/command_line/command.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace kvscope;

namespace {

struct Outcome {
  ExitStatus status = 0;
  std::string out;
  std::string err;
};

Outcome run(const std::vector<std::string>& words) {
  std::ostringstream out;
  std::ostringstream err;
  const ExitStatus status = run_command_line(words, out, err);
  return {status, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A capture of 4 layers of 4 heads, even heads contextual, in a folder of its own.
struct CapturedHeads {
  CapturedHeads() {
    testing::SyntheticCapture source{.samples = 3};
    source.model.layers = 4;
    write_synthetic_capture(folder / "capture.h5", source);
  }
  [[nodiscard]] std::string file(std::string_view name) const { return (folder / name).string(); }

  testing::TemporaryFolder folder;
};

std::string published(const std::string& name) {
  return testing::repository_file("datasets/published_heads/" + name + ".json").string();
}

}  // namespace

TEST_SUITE("reports.command_line.classify_commands") {
  TEST_CASE("analyze then classify prints tables and writes files that can be read") {
    const CapturedHeads captured;
    const Outcome analyzed = run({"analyze", captured.file("capture.h5"), "-o", captured.file("scores.h5")});
    CAPTURE(analyzed.err);
    CHECK(analyzed.status == 0);
    CHECK(contains(analyzed.out, "column_variance"));
    CHECK(contains(analyzed.out, "rho samples"));
    CHECK(read_scores(captured.file("scores.h5")).samples == 3);

    const Outcome classified =
        run({"classify", captured.file("scores.h5"), "-o", captured.file("heads.json"), "--heads"});
    CAPTURE(classified.err);
    CHECK(classified.status == 0);
    CHECK(contains(classified.out, "8 of 16 heads are contextual"));
    CHECK(contains(classified.out, "CSCS"));
    CHECK(contains(classified.out, "no borderline heads"));
    CHECK(contains(classified.out, "split: clear"));
    const HeadClassification found = read_heads(captured.file("heads.json"));
    CHECK(class_map(found) == std::vector<std::string>(4, "CSCS"));
    CHECK(found.made_from["scores"]["sha256"].get<std::string>().size() == 64);
    CHECK(found.made_from["capture"]["sha256"].get<std::string>().size() == 64);
  }

  TEST_CASE("a capture can be classified without a scores file to the same result") {
    const CapturedHeads captured;
    CHECK(run({"analyze", captured.file("capture.h5"), "-o", captured.file("scores.h5")}).status == 0);
    for (const char* method : {"elbow", "diagonal"}) {
      CAPTURE(method);
      CHECK(run({"classify", captured.file("scores.h5"), "--method", method, "-o", captured.file("a.json")}).status ==
            0);
      CHECK(run({"classify", captured.file("capture.h5"), "--method", method, "-o", captured.file("b.json")}).status ==
            0);
      CHECK(to_json(read_heads(captured.file("a.json")))["heads"] ==
            to_json(read_heads(captured.file("b.json")))["heads"]);
    }
  }

  TEST_CASE("JSON output is one document with all that was printed") {
    const CapturedHeads captured;
    const Outcome analyzed = run(
        {"analyze", captured.file("capture.h5"), "-o", captured.file("scores.h5"), "--json", "--sort", "verticality"});
    const Json scores = parse_json(analyzed.out, "analyze");
    REQUIRE(scores["scores"].size() == 16);
    CHECK(scores["scores"][0]["verticality"].get<double>() >= scores["scores"][15]["verticality"].get<double>());
    const Outcome layers =
        run({"analyze", captured.file("capture.h5"), "-o", captured.file("scores.h5"), "--json", "--by", "layer"});
    CHECK(parse_json(layers.out, "analyze")["scores"].size() == 4);
    const Outcome classified =
        run({"classify", captured.file("scores.h5"), "--method", "variance", "--alpha", "0.5", "--json", "-o",
             captured.file("heads.json"), "--compare", captured.file("heads.json")});
    CHECK(classified.status == 3);  // nothing to compare with yet, and nothing was written
    CHECK(run({"classify", captured.file("scores.h5"), "-o", captured.file("heads.json")}).status == 0);
    const Outcome compared =
        run({"classify", captured.file("scores.h5"), "--method", "variance", "--alpha", "0.5", "--json", "-o",
             captured.file("other.json"), "--compare", captured.file("heads.json")});
    const Json document = parse_json(compared.out, "classify");
    CHECK(document["classification"]["heads"].size() == 16);
    CHECK(document["comparison"]["jaccard"] == 1.0);
  }

  TEST_CASE("published maps are compared and demands decide the exit status") {
    const std::vector<std::string> words{"classify", "--compare", published("var_d30_100"), published("var_d30_001")};
    const Outcome compared = run(words);
    CHECK(compared.status == 0);
    CHECK(contains(compared.out, "32 of 900 heads differ"));
    const auto demand = [&](const std::string& text) {
      std::vector<std::string> more = words;
      more.insert(more.end(), {"--require", text});
      return run(more);
    };
    CHECK(demand("jaccard>=0.9,differing<=32").status == 0);
    const Outcome failed = demand("jaccard>=0.95");
    CHECK(failed.status == 1);
    CHECK(contains(failed.err, "jaccard is 0.903"));
    CHECK(demand("psnr>=3").status == 2);
    CHECK(run({"classify", published("var_d30_100"), "--compare", published("infinity_8b_100")}).status == 3);
  }

  TEST_CASE("wrong command lines are usage errors that leave no file") {
    const CapturedHeads captured;
    const std::string capture = captured.file("capture.h5");
    const std::string out = captured.file("out");
    const std::vector<std::vector<std::string>> wrong = {
        {"analyze"},
        {"analyze", capture, "-o", out, "--band-radius", "3"},
        {"analyze", capture, "-o", out, "--branch", "text"},
        {"analyze", capture, "-o", out, "--step", "4"},
        {"analyze", capture, "-o", out, "--step", "first"},
        {"analyze", capture, "-o", out, "--by", "scale"},
        {"analyze", capture, "-o", out, "--sort", "sigma"},
        {"classify"},
        {"classify", capture, "-o", out, "--method", "variance"},
        {"classify", capture, "-o", out, "--method", "guess"},
        {"classify", capture, "-o", out, "--alpha", "0.3"},
        {"classify", capture, "-o", out, "--step", "-1"},
        {"classify", capture, "-o", out, "--require", "jaccard>=0.9"},
        {"classify", capture, "-o", out, "--unknown"},
    };
    for (const auto& words : wrong) {
      CAPTURE(words.back());
      const Outcome outcome = run(words);
      CHECK(outcome.status == 2);
      CHECK(outcome.out.empty());
      CHECK_FALSE(outcome.err.empty());
      CHECK_FALSE(std::filesystem::exists(out));
    }
  }

  TEST_CASE("files that are something else are bad input") {
    const CapturedHeads captured;
    const std::string missing = captured.file("missing.h5");
    CHECK(run({"analyze", missing}).status == 3);
    CHECK(run({"classify", missing}).status == 3);
    CHECK(run({"analyze", published("var_d30_001")}).status == 3);
    CHECK(run({"classify", published("var_d30_001")}).status == 3);
    CHECK(run({"classify", captured.file("capture.h5"), "--compare", captured.file("capture.h5"), "-o",
               captured.file("out")})
              .status == 3);
    CHECK_FALSE(std::filesystem::exists(captured.file("out")));
  }

  TEST_CASE("help names every method with its source") {
    const Outcome help = run({"classify", "--help"});
    CHECK(help.status == 0);
    for (const char* word :
         {"variance", "elbow", "diagonal", "semantic-center", "2504.09261", "--alpha", "--require"}) {
      CAPTURE(word);
      CHECK(contains(help.out, word));
    }
    CHECK(run({"analyze", "--help"}).status == 0);
  }
}
