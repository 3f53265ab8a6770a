#include "classifiers/heads/heads.h"

#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;

namespace {

HeadClassification two_layers() {
  HeadClassification found;
  found.method = "variance";
  found.parameters = {{"alpha", 0.25}};
  found.layers = 2;
  found.heads_per_layer = 2;
  found.made_from = {{"scores", {{"path", "scores.h5"}, {"sha256", "00"}}}};
  found.heads = {
      {.layer = 0, .head = 0, .head_class = HeadClass::kContextual, .score = 0.1, .margin = 0.05, .confidence = 1.0},
      {.layer = 0, .head = 1, .score = 0.2, .margin = 0.05, .confidence = 0.7, .posterior = 0.25},
      {.layer = 1, .head = 0, .score = 0.3, .margin = 0.15, .confidence = 0.5},
      {.layer = 1, .head = 1, .score = 0.4, .margin = 0.25}};
  return found;
}

HeadClassification published(const std::string& name) {
  return read_heads(testing::repository_file("datasets/published_heads/" + name + ".json"));
}

int differing_cells(const HeadClassification& a, const HeadClassification& b) {
  int differing = 0;
  for (std::size_t i = 0; i < a.heads.size(); ++i) differing += a.heads[i].head_class != b.heads.at(i).head_class;
  return differing;
}

}  // namespace

TEST_SUITE("classifiers.heads.heads") {
  TEST_CASE("a classification survives a file") {
    const testing::TemporaryFolder folder;
    const HeadClassification before = two_layers();
    write_heads(folder / "heads.json", before);
    const HeadClassification after = read_heads(folder / "heads.json");
    CHECK(to_json(after) == to_json(before));
    CHECK(after.at(0, 1).posterior == 0.25);
    CHECK_FALSE(after.at(1, 1).confidence.has_value());
    CHECK_FALSE(after.model.has_value());
  }

  TEST_CASE("the class map and the counts follow the list") {
    const HeadClassification found = two_layers();
    CHECK(class_map(found) == std::vector<std::string>{"CS", "SS"});
    CHECK(found.count(HeadClass::kContextual) == 1);
    CHECK(found.count(HeadClass::kStructural) == 3);
  }

  TEST_CASE("borderline heads are those of known low confidence with the least certain first") {
    const auto uncertain = two_layers().borderline();
    REQUIRE(uncertain.size() == 2);
    CHECK(uncertain[0].layer == 1);
    CHECK(uncertain[1].head == 1);
  }

  TEST_CASE("a list of heads alone is enough of a file") {
    const Json json = parse_json(R"({"format": "kvscope-heads", "version": 1, "method": "mine", "unknown": 3,
      "heads": [{"layer": 0, "head": 0, "class": "structural", "score": 1, "margin": 0},
                {"layer": 0, "head": 1, "class": "contextual", "score": 0, "margin": 0}]})",
                                 "foreign.json");
    const HeadClassification found = heads_from_json(json, "foreign.json");
    CHECK(found.layers == 1);
    CHECK(found.heads_per_layer == 2);
    CHECK(found.at(0, 1).head_class == HeadClass::kContextual);
  }

  TEST_CASE("what is wrong in a list is named by its place") {
    struct Case {
      const char* pointer;
      Json value;
      const char* word;
    };
    const Case cases[] = {{"/heads/1/class", "sinks", "sinks"},
                          {"/heads/2/layer", 0, "heads[2]"},
                          {"/heads/1/head", 0, "heads[1]"},
                          {"/heads/3/head", -1, "heads[3]"},
                          {"/heads/0/score", "high", "score"},
                          {"/heads/0/margin", -0.5, "margin"},
                          {"/heads/0/confidence", 1.5, "confidence"},
                          {"/heads/1/posterior", -0.1, "posterior"},
                          {"/heads", 7, "heads"},
                          {"/heads", Json::array(), "heads"},
                          {"/heads/0", 3, "heads[0]"},
                          {"/version", 2, "version 2"},
                          {"/format", "kvscope-plan", "kvscope-plan"},
                          {"/method", 1, "method"},
                          {"/heads/3/layer", 70000, "heads[3]"}};
    for (const Case& wrong : cases) {
      CAPTURE(wrong.pointer);
      Json json = to_json(two_layers());
      json[Json::json_pointer(wrong.pointer)] = wrong.value;
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)heads_from_json(json, "heads.json"); }, "heads.json", wrong.word);
    }
  }

  TEST_CASE("a missing head is not filled in") {
    Json json = to_json(two_layers());
    json["heads"].erase(3);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)heads_from_json(json, "heads.json"); }, "3 heads", "= 4");
  }

  TEST_CASE("a list that does not fit its model is refused") {
    HeadClassification found = two_layers();
    found.model = ModelInfo{.family = "var",
                            .fingerprint = "f",
                            .layers = 3,
                            .heads = 2,
                            .kv_heads = 2,
                            .head_dim = 8,
                            .branches = {"conditional"}};
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)heads_from_json(to_json(found), "heads.json"); }, "3 layers");
  }

  TEST_CASE("the published maps have the published number of contextual heads") {
    for (const char* labels : {"001", "010", "050", "100"}) {
      CAPTURE(labels);
      const HeadClassification var = published(std::string("var_d30_") + labels);
      CHECK(var.layers == 30);
      CHECK(var.heads_per_layer == 30);
      CHECK(var.count(HeadClass::kContextual) == 315);
      const HeadClassification infinity = published(std::string("infinity_8b_") + labels);
      CHECK(infinity.layers == 40);
      CHECK(infinity.heads_per_layer == 28);
      CHECK(infinity.count(HeadClass::kContextual) == 336);
    }
  }

  TEST_CASE("the published maps differ from those of 100 labels as published") {
    const HeadClassification var = published("var_d30_100");
    CHECK(differing_cells(published("var_d30_001"), var) == 32);
    CHECK(differing_cells(published("var_d30_010"), var) == 12);
    CHECK(differing_cells(published("var_d30_050"), var) == 6);
    for (const char* labels : {"001", "010", "050"}) {
      CHECK(differing_cells(published(std::string("infinity_8b_") + labels), published("infinity_8b_100")) == 0);
    }
  }
}
