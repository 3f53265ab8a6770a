#include "classifiers/heads/heads.h"
#include "classifiers/plan/plan.h"
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "reports/command_line/command.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

using namespace kvscope;

namespace {

struct Outcome {
  ExitStatus status;
  std::string out;
  std::string err;
};

Outcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "plan");
  std::ostringstream out;
  std::ostringstream err;
  const ExitStatus status = run_command_line(words, out, err);
  return {status, out.str(), err.str()};
}

/// A folder with a capture of 2 x 4 heads and the classes of its heads: even ones are contextual.
struct Workspace {
  testing::TemporaryFolder folder;
  std::string capture = (folder / "capture.h5").string();
  std::string heads = (folder / "heads.json").string();
  std::string plan = (folder / "plan.json").string();

  Workspace() {
    testing::write_synthetic_capture(capture, {});
    HeadClassification classes;
    classes.method = "variance";
    classes.parameters = Json::object();
    classes.layers = 2;
    classes.heads_per_layer = 4;
    for (int layer = 0; layer < 2; ++layer) {
      for (int head = 0; head < 4; ++head) {
        classes.heads.push_back({.layer = layer,
                                 .head = head,
                                 .head_class = head % 2 == 0 ? HeadClass::kContextual : HeadClass::kStructural});
      }
    }
    write_heads(heads, classes);
  }

  Outcome make(std::vector<std::string> words, const std::string& output) const {
    for (const auto& word :
         {std::string("--capture"), capture, std::string("--heads"), heads, std::string("-o"), output}) {
      words.push_back(word);
    }
    return run(std::move(words));
  }
};

}  // namespace

TEST_SUITE("reports.command_line.command_plan") {
  TEST_CASE("every method makes a plan that check accepts") {
    const Workspace space;
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"--method", "full"},
             {"--method", "lossless"},
             {"--method", "uniform", "--compression", "0.5", "--rule", "window"},
             {"--method", "uniform", "--tokens", "7", "--rule", "hack++-structural"},
             {"--method", "hack", "--compression", "0.7"},
             {"--method", "hack++", "--attend", "0.5", "--carry", "0.2", "--tau", "1.5"},
             {"--method", "hack++", "--bytes", "9000"},
             {"--method", "hack++", "--bytes", "9000", "--elements", "int8"},
             {"--method", "lossless", "--elements", "model"}}) {
      CAPTURE(words[1]);
      const Outcome made = space.make(words, space.plan);
      CAPTURE(made.err);
      REQUIRE(made.status == 0);
      CHECK(made.err.find("wrote") != std::string::npos);
      CHECK(made.out.find("this plan, allocated") != std::string::npos);
      const Outcome checked = run({"check", space.plan, "--capture", space.capture, "--heads", space.heads});
      CAPTURE(checked.out);
      CHECK(checked.status == 0);
      CHECK(checked.err.empty());
      const Plan plan = read_plan(space.plan);
      CHECK(plan.method == words[1]);
      CHECK(plan.made_from["capture"]["sha256"].get<std::string>().size() == 64);
    }
  }

  TEST_CASE("8-bit elements are shown and diffed and an unknown kind is refused") {
    const Workspace space;
    const std::string other = (space.folder / "other.json").string();
    REQUIRE(space.make({"--method", "lossless"}, space.plan).status == 0);
    REQUIRE(space.make({"--method", "lossless", "--elements", "int8"}, other).status == 0);
    CHECK(run({"show", space.plan}).out.find("int8") == std::string::npos);
    const Outcome shown = run({"show", other});
    for (const char* words : {"int8 in 8 of 8 heads", "scales and offsets", "elements"}) {
      CAPTURE(words);
      CHECK(shown.out.find(words) != std::string::npos);
    }
    CHECK(run({"diff", space.plan, other}).out.find("8 other stored elements") != std::string::npos);
    const Outcome refused = space.make({"--method", "lossless", "--elements", "int4"}, other);
    CHECK(refused.status == 2);
    CHECK(refused.err.find("--elements is \"int4\"") != std::string::npos);
  }

  TEST_CASE("show prints tables and JSON of the same plan") {
    const Workspace space;
    REQUIRE(space.make({"--method", "hack", "--compression", "0.5"}, space.plan).status == 0);
    const Outcome text = run({"show", space.plan});
    CHECK(text.status == 0);
    for (const char* word : {"hack-contextual", "Per layer", "4x4", "contextual", "T_K-1 = 14", "lossless"}) {
      CAPTURE(word);
      CHECK(text.out.find(word) != std::string::npos);
    }
    const Outcome json = run({"show", space.plan, "--json"});
    const Json document = parse_json(json.out, "show");
    CHECK(document["per_step"].size() == 4);
    CHECK(document["layers"].size() == 2);
    CHECK(document["totals"]["bytes"]["allocated"] == to_json(read_plan(space.plan))["totals"]["bytes"]["allocated"]);
  }

  TEST_CASE("diff explains two plans") {
    const Workspace space;
    const std::string other = (space.folder / "other.json").string();
    REQUIRE(space.make({"--method", "hack", "--compression", "0.5"}, space.plan).status == 0);
    REQUIRE(space.make({"--method", "hack", "--compression", "0.7"}, other).status == 0);
    const Outcome text = run({"diff", space.plan, other});
    CHECK(text.status == 0);
    CHECK(text.out.find("parameters/compression") != std::string::npos);
    CHECK(text.out.find("8 other counts") != std::string::npos);
    const Json same = parse_json(run({"diff", space.plan, space.plan, "--json"}).out, "diff");
    CHECK(same["same_effect"] == true);
    CHECK(same["changes"].empty());
  }

  TEST_CASE("check fails for another capture and for edited totals") {
    const Workspace space;
    REQUIRE(space.make({"--method", "hack", "--compression", "0.5"}, space.plan).status == 0);
    const std::string other = (space.folder / "other.h5").string();
    testing::write_synthetic_capture(other, {.seed = 5});
    const Outcome foreign = run({"check", space.plan, "--capture", other});
    CHECK(foreign.status == 1);
    CHECK(foreign.out.find("FAILED") != std::string::npos);
    Json document = read_json_file(space.plan, "kvscope-plan", 1);
    document["totals"]["bytes"]["peak"] = 1;
    write_json_file(space.plan, document);
    CHECK(run({"check", space.plan}).status == 1);
    document["heads"][2]["carry"][1] = 77;
    write_json_file(space.plan, document);
    const Outcome bad = run({"check", space.plan});
    CHECK(bad.status == 3);
    CHECK(bad.err.find("layer 0, head 2, step 1") != std::string::npos);
    CHECK(bad.out.empty());
  }

  TEST_CASE("check knows whether a plan is for these weights") {
    const Workspace space;
    REQUIRE(space.make({"--method", "lossless"}, space.plan).status == 0);
    const std::string transformer = testing::repository_file("tests/data/var_basic/var.pth").string();
    const std::string tokenizer = testing::repository_file("tests/data/var_vae.pth").string();
    const Outcome other = run({"check", space.plan, "--checkpoint", transformer, "--tokenizer", tokenizer});
    CHECK(other.status == 1);
    CHECK(other.out.find("fingerprint") != std::string::npos);
    CHECK(run({"check", space.plan, "--checkpoint", transformer}).status == 2);
  }

  TEST_CASE("impossible and incomplete requests are one line and write nothing") {
    const Workspace space;
    const std::string none = (space.folder / "none.json").string();
    struct Row {
      std::vector<std::string> words;
      ExitStatus status;
      std::string reason;
    };
    for (const Row& row :
         {Row{{"--method", "hack", "--tokens", "0"}, 2, "--tokens"},
          Row{{"--method", "hack++", "--carry", "0.01"}, 2, "1 token"},
          Row{{"--method", "uniform", "--bytes", "10"}, 2, "--bytes"}, Row{{"--method", "uniform"}, 2, "exactly one"},
          Row{{"--compression", "0.5"}, 2, "method"}, Row{{"--method", "best", "--tokens", "3"}, 2, "'best'"}}) {
      CAPTURE(row.reason);
      const Outcome outcome = space.make(row.words, none);
      CHECK(outcome.status == row.status);
      CHECK(outcome.out.empty());
      CHECK(outcome.err.find(row.reason) != std::string::npos);
      CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
      CHECK_FALSE(std::filesystem::exists(none));
    }
    CHECK(run({"--method", "hack", "--tokens", "3", "--capture", space.capture, "-o", none}).status == 2);
    CHECK(run({"--method", "lossless", "--capture", (space.folder / "nothing.h5").string()}).status == 3);
    CHECK(run({"show"}).status == 2);
    CHECK(run({"diff", space.plan}).status == 2);
    CHECK(run({"draw", space.plan}).status == 2);
    CHECK(run({"show", (space.folder / "nothing.json").string()}).status == 3);
    write_file(space.plan, "{");
    CHECK(run({"check", space.plan}).status == 3);
    CHECK(run({"check", space.heads}).status == 3);
  }

  TEST_CASE("heads of another model are refused") {
    const Workspace space;
    testing::SyntheticCapture wide;
    wide.model.heads = 6;
    wide.model.kv_heads = 6;
    testing::write_synthetic_capture(space.capture, wide);
    const Outcome outcome = space.make({"--method", "hack", "--compression", "0.5"}, space.plan);
    CHECK(outcome.status == 3);
    CHECK(outcome.err.find("layers of 4 heads") != std::string::npos);
  }
}
