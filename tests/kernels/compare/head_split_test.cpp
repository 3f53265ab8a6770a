#include "kernels/compare/head_split.h"

#include "classifiers/heads/classify.h"
#include "kernels/compare/compare_method.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <set>

using namespace kvscope;

namespace {

Scores scores() {
  const testing::TemporaryFolder folder;
  testing::SyntheticCapture capture;
  capture.model.layers = 5;
  capture.is_contextual = [](int layer, int head) { return (layer + head) % 2 == 0; };
  write_synthetic_capture(folder / "capture.h5", capture);
  return compute_scores(Capture::open(folder / "capture.h5"));
}

}  // namespace

TEST_SUITE("kernels.compare.head_split") {
  TEST_CASE("every split but the elbow has the share of contextual heads asked for") {
    const Scores all = scores();
    for (const std::string& split : head_split_names()) {
      if (split == "elbow") continue;
      CAPTURE(split);
      CHECK(split_heads(all, split, 0.35, 0).count(HeadClass::kContextual) == 7);  // floor(0.35 * 20)
      CHECK(split_heads(all, split, 0.0, 0).count(HeadClass::kContextual) == 0);
      CHECK(split_heads(all, split, 1.0, 0).count(HeadClass::kContextual) == 20);
    }
  }

  TEST_CASE("classifiers are those of kvscope classify") {
    const Scores all = scores();
    ClassifyOptions options;
    options.method = "variance";
    options.alpha = 0.5;
    CHECK(class_map(split_heads(all, "variance", 0.5, 0)) == class_map(classify_heads(all, options)));
    CHECK(class_map(split_heads(all, "variance", 0.5, 0)) ==
          std::vector<std::string>{"CSCS", "SCSC", "CSCS", "SCSC", "CSCS"});
    options.method = "elbow";
    options.alpha.reset();
    CHECK(class_map(split_heads(all, "elbow", 0.1, 0)) == class_map(classify_heads(all, options)));
  }

  TEST_CASE("order takes the first heads") {
    CHECK(class_map(split_heads(scores(), "order", 0.35, 0)) ==
          std::vector<std::string>{"CCCC", "CCCS", "SSSS", "SSSS", "SSSS"});
  }

  TEST_CASE("random depends on its seed alone and larger shares contain smaller ones") {
    const Scores all = scores();
    std::set<std::vector<std::string>> maps;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      maps.insert(class_map(split_heads(all, "random", 0.5, seed)));
      CHECK(class_map(split_heads(all, "random", 0.5, seed)) == class_map(split_heads(all, "random", 0.5, seed)));
      const HeadClassification few = split_heads(all, "random", 0.25, seed);
      const HeadClassification many = split_heads(all, "random", 0.5, seed);
      for (std::size_t i = 0; i < few.heads.size(); ++i) {
        if (few.heads[i].head_class == HeadClass::kContextual)
          CHECK(many.heads[i].head_class == HeadClass::kContextual);
      }
    }
    CHECK(maps.size() > 15);
  }

  TEST_CASE("an unknown split is refused") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)split_heads(scores(), "colour", 0.5, 0); }, "'colour'");
  }
}
