#include "classifiers/heads/classify.h"

#include "classifiers/heads/compare.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace kvscope;

namespace {

/// 6 layers of 6 heads; every third head is contextual: 12 of 36.
bool is_contextual(int layer, int head) {
  return (layer + head) % 3 == 0;
}

ModelInfo model_of(int layers, int heads) {
  ModelInfo model = testing::synthetic_model();
  model.layers = layers;
  model.heads = heads;
  model.kv_heads = heads;
  return model;
}

Scores synthetic_scores(double noise = 0.3, std::int64_t samples = 4) {
  const testing::TemporaryFolder folder;
  testing::SyntheticCapture capture{.model = model_of(6, 6), .samples = samples, .noise = noise};
  capture.is_contextual = is_contextual;
  write_synthetic_capture(folder / "capture.h5", capture);
  return compute_scores(Capture::open(folder / "capture.h5"));
}

/// Scores of one layer that hold one quantity: values [samples][heads] at a single step and branch.
Scores made_up(const HeadScore& score, const std::vector<std::vector<double>>& values) {
  Scores scores;
  const auto heads = static_cast<int>(values.front().size());
  scores.model = model_of(1, heads);
  scores.model.branches = {"conditional"};
  scores.steps = StepTable({{.h = 4, .w = 4}});
  scores.samples = static_cast<std::int64_t>(values.size());
  HeadScoreValues found;
  found.mean = Array<double>({1, 1, heads, 1}, 0.0);
  found.samples = Array<float>({scores.samples, 1, 1, heads, 1});
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t head = 0; head < values[i].size(); ++head) {
      found.samples(i, 0, 0, head, 0) = static_cast<float>(values[i][head]);
      found.mean(0, 0, head, 0) += values[i][head] / static_cast<double>(values.size());
    }
  }
  scores.values.emplace(score.name, found);
  return scores;
}

std::string only_row(const HeadClassification& found) {
  return class_map(found).front();
}

}  // namespace

TEST_SUITE("classifiers.heads.classify") {
  TEST_CASE("heads of known kinds are all classified right by every method that looks at maps") {
    for (const double noise : {0.0, 0.3, 0.6}) {
      const Scores scores = synthetic_scores(noise);
      const ClassifyOptions all[] = {{.method = "variance", .alpha = 1.0 / 3},
                                     {.method = "elbow"},
                                     {.method = "diagonal"},
                                     {.method = "diagonal", .alpha = 1.0 / 3},
                                     {.method = "elbow", .branch = "unconditional"}};
      for (const ClassifyOptions& options : all) {
        CAPTURE(noise);
        CAPTURE(options.method);
        const HeadClassification found = classify_heads(scores, options);
        CHECK(found.count(HeadClass::kContextual) == 12);
        for (const ClassifiedHead& head : found.heads) {
          CAPTURE(head.layer);
          CAPTURE(head.head);
          CHECK((head.head_class == HeadClass::kContextual) == is_contextual(head.layer, head.head));
          CHECK(head.confidence == 1.0);
        }
        CHECK(found.stability["jaccard_halves"]["mean"] == 1.0);
        CHECK(found.stability["jaccard_resamples"]["low"] == 1.0);
        CHECK(found.borderline().empty());
        if (!options.alpha) CHECK(found.stability["split"]["separation"] == "clear");
      }
    }
  }

  TEST_CASE("heads far from the layer's mean output are structural") {
    Scores scores = synthetic_scores();
    HeadScoreValues& distance = scores.values.at("semantic_distance");
    for (int layer = 0; layer < 6; ++layer) {
      for (int head = 0; head < 6; ++head)
        distance.mean(0, layer, head, 3) = (is_contextual(layer, head) ? 0.3 : 1.2) + 0.01 * layer + 0.02 * head;
    }
    const HeadClassification found = classify_heads(scores, {.method = "semantic-center"});
    for (const ClassifiedHead& head : found.heads) {
      CHECK((head.head_class == HeadClass::kContextual) == is_contextual(head.layer, head.head));
      CHECK_FALSE(head.confidence.has_value());  // the capture has no outputs per sample
      CHECK(head.posterior.has_value());
    }
    CHECK_FALSE(found.stability.contains("resamples"));
  }

  TEST_CASE("alpha takes the floor of the share with ties in order of the heads") {
    const Scores scores = made_up(head_score::kColumnVariance, {{0.4, 0.1, 0.3, 0.1, 0.3}, {0.4, 0.1, 0.3, 0.1, 0.3}});
    const auto row = [&](double alpha) {
      return only_row(classify_heads(scores, {.method = "variance", .alpha = alpha}));
    };
    CHECK(row(0.0) == "SSSSS");
    CHECK(row(0.2) == "SCSSS");
    CHECK(row(0.39) == "SCSSS");
    CHECK(row(0.4) == "SCSCS");
    CHECK(row(0.6) == "SCCCS");
    CHECK(row(1.0) == "CCCCC");
  }

  TEST_CASE("alpha 0.35 of 900 heads is 315 as published") {
    std::vector<double> sigma(900);
    for (std::size_t i = 0; i < sigma.size(); ++i) sigma[i] = static_cast<double>(i * 7 % 900) + 1.0;
    const Scores scores = made_up(head_score::kColumnVariance, {sigma});
    CHECK(classify_heads(scores, {.method = "variance", .alpha = 0.35}).count(HeadClass::kContextual) == 315);
    CHECK(classify_heads(scores, {.method = "variance", .alpha = 0.15}).count(HeadClass::kContextual) == 135);
  }

  TEST_CASE("margins are distances from the split in the scale of the method") {
    const Scores scores =
        made_up(head_score::kColumnVariance, {{0.01, 0.011, 0.04, 0.044}, {0.01, 0.011, 0.04, 0.044}});
    const HeadClassification fixed = classify_heads(scores, {.method = "variance", .alpha = 0.5});
    CHECK(fixed.heads[0].margin == doctest::Approx(0.0255 - 0.01).epsilon(1e-5));
    CHECK(fixed.heads[3].margin == doctest::Approx(0.044 - 0.0255).epsilon(1e-5));
    const HeadClassification found = classify_heads(scores, {.method = "elbow"});
    CHECK(only_row(found) == "CCSS");
    const double threshold = found.stability["split"]["threshold"];
    CHECK(found.heads[0].margin == doctest::Approx(std::log(threshold / 0.01)).epsilon(1e-5));
  }

  TEST_CASE("a head that changes sides between samples is borderline and others are not") {
    // Head 2 is low in half of the samples; the others are far on their side in all.
    std::vector<std::vector<double>> values;
    for (int i = 0; i < 20; ++i)
      values.push_back({0.010, 0.012, i % 2 == 0 ? 0.005 : 0.055, 0.080, 0.078, 0.082, 0.011, 0.079});
    const HeadClassification found = classify_heads(made_up(head_score::kColumnVariance, values), {.method = "elbow"});
    REQUIRE(found.borderline().size() == 1);
    CHECK(found.borderline()[0].head == 2);
    CHECK(*found.heads[2].confidence > 0.3);
    CHECK(*found.heads[2].confidence < 0.95);
    for (const int head : {0, 1, 3, 4, 5, 6, 7}) CHECK(*found.heads[static_cast<std::size_t>(head)].confidence > 0.95);
    CHECK(found.stability["borderline"][0]["head"] == 2);
    CHECK(found.stability["jaccard_halves"]["mean"].get<double>() < 1.0);
  }

  TEST_CASE("one kind of heads is split without being called clear") {
    std::vector<double> sigma;
    for (int i = 0; i < 60; ++i)
      sigma.push_back(std::exp(-3.0 + 0.4 * std::sqrt(2.0) * (std::tan((i - 29.5) / 60 * 2.2) / 1.3)));
    const HeadClassification found =
        classify_heads(made_up(head_score::kColumnVariance, {sigma, sigma}), {.method = "elbow"});
    CHECK(found.stability["split"]["separation"] != "clear");
  }

  TEST_CASE("heads that are all alike are structural") {
    const std::vector<double> alike(6, 0.02);
    const HeadClassification found =
        classify_heads(made_up(head_score::kColumnVariance, {alike, alike}), {.method = "elbow"});
    CHECK(only_row(found) == "SSSSSS");
    CHECK_FALSE(found.heads[0].posterior.has_value());
    CHECK(found.heads[0].margin == 0.0);
  }

  TEST_CASE("a variance of nothing is the lowest and no error") {
    const std::vector<double> sigma{0.0, 1e-9, 0.05, 0.06, 0.055, 0.052};
    CHECK(only_row(classify_heads(made_up(head_score::kColumnVariance, {sigma, sigma}), {.method = "elbow"})) ==
          "CCSSSS");
  }

  TEST_CASE("a single sample leaves confidence open") {
    const HeadClassification found =
        classify_heads(made_up(head_score::kColumnVariance, {{1, 2, 8, 9}}), {.method = "elbow"});
    CHECK(only_row(found) == "CCSS");
    CHECK_FALSE(found.heads[0].confidence.has_value());
    CHECK(found.stability["samples"] == 1);
  }

  TEST_CASE("the same scores give the same classification and so does their file") {
    const testing::TemporaryFolder folder;
    const Scores scores = synthetic_scores();
    write_scores(folder / "scores.h5", scores);
    for (const char* method : {"elbow", "diagonal"}) {
      const Json once = to_json(classify_heads(scores, {.method = method}));
      CHECK(to_json(classify_heads(scores, {.method = method})) == once);
      CHECK(to_json(classify_heads(read_scores(folder / "scores.h5"), {.method = method})) == once);
    }
    CHECK(to_json(classify_heads(scores, {.method = "elbow", .step = 3})) ==
          to_json(classify_heads(scores, {.method = "elbow"})));
  }

  TEST_CASE("a classification survives its file with all that was found out") {
    const testing::TemporaryFolder folder;
    const HeadClassification before = classify_heads(synthetic_scores(), {.method = "elbow"});
    write_heads(folder / "heads.json", before);
    CHECK(to_json(read_heads(folder / "heads.json")) == to_json(before));
    CHECK(before.parameters["score"] == "column_variance");
    CHECK(before.parameters["step"] == 3);
  }

  TEST_CASE("requests that make no sense are usage errors") {
    const Scores scores = synthetic_scores();
    const auto refused = [&](const ClassifyOptions& options, const auto&... words) {
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)classify_heads(scores, options); }, words...);
    };
    refused({.method = "sigma"}, "sigma", "elbow");
    refused({.method = "variance"}, "alpha");
    refused({.method = "elbow", .alpha = 0.3}, "takes no alpha");
    refused({.method = "variance", .alpha = 1.5}, "1.5");
    refused({.method = "variance", .alpha = std::nan("")}, "nan");
    refused({.method = "elbow", .branch = "text"}, "text");
    refused({.method = "elbow", .step = 4}, "step 4");
    refused({.method = "elbow", .step = -1}, "step -1");
  }

  TEST_CASE("scores that are not there or not defined are named") {
    const Scores scores = synthetic_scores();
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)classify_heads(scores, {.method = "diagonal", .step = 0}); }, "band_excess",
        "step 0", "layer 0");
    const Scores other = made_up(head_score::kEntropy, {{1, 2, 3, 4}});
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)classify_heads(other, {.method = "elbow"}); }, "column_variance");
  }
}

TEST_SUITE("classifiers.heads.compare") {
  TEST_CASE("a comparison counts the cells and names those that differ") {
    const Scores scores = made_up(head_score::kColumnVariance, {{1, 2, 3, 4, 5}});
    const HeadClassification a = classify_heads(scores, {.method = "variance", .alpha = 0.4});
    const HeadClassification b = classify_heads(scores, {.method = "variance", .alpha = 0.6});
    const HeadComparison found = compare_heads(a, "a.json", b, "b.json");
    CHECK(found.counts == Agreement{.both = 2, .only_first = 0, .only_second = 1, .neither = 2});
    CHECK(found.differing == std::vector<DifferingHead>{{0, 2, HeadClass::kStructural, HeadClass::kContextual}});
    CHECK(found.agreement() == 0.8);
    CHECK(to_json(found)["differing"][0]["second"] == "contextual");
  }

  TEST_CASE("the published maps of one and of 100 labels agree as published") {
    const auto read = [](const char* name) {
      return read_heads(testing::repository_file(std::string("datasets/published_heads/") + name));
    };
    const HeadComparison found = compare_heads(read("var_d30_001.json"), "1", read("var_d30_100.json"), "100");
    CHECK(found.counts.differing() == 32);
    CHECK(found.counts.only_first == found.counts.only_second);  // both have 315
    CHECK(found.jaccard() == doctest::Approx(299.0 / 331).epsilon(1e-12));
    CHECK(*found.kappa() > 0.9);
    CHECK(compare_heads(read("infinity_8b_001.json"), "1", read("infinity_8b_100.json"), "100").jaccard() == 1.0);
    testing::check_error(
        ErrorCode::kBadInput,
        [&] { (void)compare_heads(read("var_d30_001.json"), "v.json", read("infinity_8b_001.json"), "i.json"); },
        "v.json", "i.json", "30", "40");
  }

  TEST_CASE("classifications of different weights are not compared") {
    const Scores scores = made_up(head_score::kColumnVariance, {{1, 2, 3, 4}});
    const HeadClassification a = classify_heads(scores, {.method = "variance", .alpha = 0.5});
    HeadClassification b = a;
    b.model->fingerprint = "another";
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)compare_heads(a, "a.json", b, "b.json"); }, "fingerprint", "another");
  }
}
