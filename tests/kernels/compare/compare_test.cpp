#include "kernels/compare/compare.h"

#include "classifiers/heads/classify.h"
#include "kernels/compare/budget_plan.h"
#include "kernels/compare/compare_estimate.h"
#include "kernels/compare/sample_set.h"
#include "kernels/replay/replay.h"
#include "kernels/sensitivity/pricing.h"
#include "kernels/var_basic_engine.h"
#include "support/errors.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <sstream>

using namespace kvscope;
using testing::repository_file;
using testing::var_basic_engine;

namespace {

/// Attention that falls off with distance in steps, faster in some heads than in others.
AttentionCalibration calibration() {
  const ModelInfo& model = var_basic_engine().model();
  const StepTable& steps = var_basic_engine().steps();
  std::vector<SourceMass> mass;
  for (int k = 0; k < steps.size(); ++k) {
    const auto sources = std::ssize(steps.sources(k));
    mass.emplace_back(Shape{model.layers, model.heads, sources});
    for (std::int64_t i = 0; i < std::int64_t{model.layers} * model.heads; ++i) {
      for (std::int64_t s = 0; s < sources; ++s) {
        mass.back().values()[static_cast<std::size_t>(i * sources + s)] =
            std::exp(-0.3 * static_cast<double>((i % 3) * (sources - s)));
      }
    }
  }
  return calibrate_attention(model, steps, mass);
}

/// Column variance falls from head to head, so that the contextual ones are the last.
Scores scores() {
  const ModelInfo& model = var_basic_engine().model();
  Scores scores;
  scores.model = model;
  scores.steps = var_basic_engine().steps();
  HeadScoreValues found;
  found.mean =
      Array<double>({std::ssize(model.branches), model.layers, model.heads, var_basic_engine().steps().size()});
  double value = 0.0;
  for (double& mean : found.mean.values()) mean = 1.0 - 0.001 * (value += 1.0);
  scores.values.emplace(head_score::kColumnVariance.name, found);
  return scores;
}

GenerationRequest samples(std::int64_t count, std::uint64_t seed) {
  GenerationRequest request;
  request.seed = seed;
  request.guidance = 2.0;
  request.top_k = 100;
  for (std::int64_t i = 0; i < count; ++i) request.labels.push_back(3 * i % 7);
  request.sample_ids.resize(request.labels.size());
  std::iota(request.sample_ids.begin(), request.sample_ids.end(), 0);
  return request;
}

Sensitivity prices(const PlanInputs& inputs) {
  PricingRequest pricing;
  pricing.generation = samples(2, 1);
  pricing.rules = priceable_rules();
  pricing.counts = {1, 3, 7};
  pricing.draws = 1;
  pricing.inputs = inputs;
  return price_heads(var_basic_engine(), pricing);
}

CompareRequest small_request(std::string_view methods = "hack,hack++,hack++@order,uniform:look-ahead,sensitivity") {
  CompareRequest request;
  request.methods = parse_compare_methods(methods, std::nullopt);
  request.budgets = {0.3, 0.6};
  request.alphas = {0.25, 0.5};
  request.taus = {0.0, 1.0};
  request.evaluation = samples(3, 5);
  request.calibration = samples(2, 1);
  request.inputs = {.model = var_basic_engine().model(),
                    .steps = var_basic_engine().steps(),
                    .heads = {},
                    .calibration = calibration(),
                    .made_from = {{"capture", nullptr}}};
  static const Sensitivity priced = prices(request.inputs);
  request.inputs.sensitivity = priced;
  request.scores = scores();
  request.batch = 2;
  request.run = {{"seed", 5}, {"threads", 1}};
  request.made_from = {{"capture", {{"path", "c.h5"}, {"sha256", "ab"}}}};
  return request;
}

/// All that does not depend on the clock.
Json timeless(const CompareResult& result) {
  Json json = to_json(result);
  json["full"].erase("seconds");
  for (Json& cell : json["cells"]) cell.erase("seconds");
  return json;
}

/// Ends a run as a signal would, after so many lines of progress.
class Interruption : public std::stringbuf {
 public:
  explicit Interruption(int lines) : left_(lines) {}

 protected:
  int sync() override {
    const bool is_cell = str().find("cell ") != std::string::npos;
    str("");
    if (is_cell && --left_ == 0) throw Error(ErrorCode::kInterrupted, "interrupted");
    return 0;
  }

 private:
  int left_;
};

}  // namespace

TEST_SUITE("kernels.compare.run") {
  TEST_CASE("a cell says what a replay of its plan says") {
    const testing::TemporaryFolder folder;
    CompareRequest request = small_request();
    request.plans = folder.path();
    const CompareResult result = compare_methods(var_basic_engine(), request);
    REQUIRE(result.cells.size() == 10);
    CHECK(result.complete);
    for (const CompareCell& cell : result.cells) {
      CAPTURE(cell.method);
      CAPTURE(cell.budget);
      const Plan plan = read_plan(folder / cell.plan.file);
      const ReplayResult replay =
          run_replay(var_basic_engine(), plan, cell.plan.file, {.request = request.evaluation, .batch = 3}).result;
      CHECK(cell.teacher_forced.kl == replay.teacher_forced->kl);
      CHECK(cell.teacher_forced.token_agreement == replay.teacher_forced->token_agreement);
      CHECK(cell.free_running.kl == replay.free_running->kl);
      CHECK(cell.free_running.token_agreement == replay.free_running->token_agreement);
      CHECK(cell.free_running.ssim == replay.free_running->ssim);
      CHECK(cell.free_running.identical_images == replay.free_running->identical_images);
      CHECK(cell.teacher_forced.steps.back().kl == replay.teacher_forced->steps.back().kl);
      CHECK(cell.plan.allocated_bytes * 3 == replay.cache.allocated_bytes);
      CHECK(cell.plan.peak_bytes * 3 == replay.cache.peak_bytes);
      CHECK(cell.plan.allocated_bytes == cell.plan.predicted_bytes);
      CHECK(cell.plan.allocated_bytes <= cell.budget_bytes);
      CHECK(cell.plan.sha256 == plan_effect_sha256(plan));
    }
    CHECK(testing::schema_complaints("kernels/compare/compare.schema.json", to_json(result)) == "");
  }

  TEST_CASE("the search takes the candidate of least KL on the calibration samples") {
    const CompareRequest request = small_request("hack++,hack++@order,hack++:alpha=0.5,tau=1");
    const CompareResult result = compare_methods(var_basic_engine(), request);
    const CompareCell& searched = *result.find("hack++", 0.3);
    REQUIRE(searched.search.size() == 4);
    const auto best = std::ranges::min_element(searched.search, {}, &CompareCandidate::kl);
    CHECK(searched.parameters["alpha"] == *best->alpha);
    CHECK(searched.parameters["tau"] == *best->tau);

    // The split alone differs in a variant, and nothing is searched for it.
    const CompareCell& variant = *result.find("hack++@order", 0.3);
    CHECK(variant.parameters == searched.parameters);
    CHECK(variant.search.empty());
    CHECK(variant.plan.contextual_heads == searched.plan.contextual_heads);

    // What a candidate is said to cost is what a replay on the calibration samples says.
    const MethodParameters parameters{.alpha = 0.5, .tau = 1.0};
    PlanInputs inputs = request.inputs;
    ClassifyOptions options;
    options.method = "variance";
    options.alpha = 0.5;
    inputs.heads = classify_heads(*request.scores, options);
    const Plan plan = plan_within_bytes(request.methods.front(), parameters, inputs, searched.budget_bytes);
    const ReplayResult replay = run_replay(var_basic_engine(), plan, "plan",
                                           {.request = request.calibration, .batch = 2, .free_running = false})
                                    .result;
    CHECK(searched.search.back().kl == doctest::Approx(replay.teacher_forced->kl.mean));
    CHECK(result.find("hack++:alpha=0.5,tau=1", 0.3)->plan.sha256 == plan_effect_sha256(plan));
  }

  TEST_CASE("all bytes lose nothing") {
    CompareRequest request = small_request("uniform:window,sensitivity,hack:alpha=0.5");
    request.budgets = {1.0};
    const CompareResult result = compare_methods(var_basic_engine(), request);
    for (const CompareCell& cell : result.cells) {
      CAPTURE(cell.method);
      CHECK(cell.free_running.identical_images == 3);
      CHECK(cell.free_running.token_agreement == Interval{1.0, 1.0, 1.0});
      CHECK(cell.teacher_forced.kl == Interval{0.0, 0.0, 0.0});
      CHECK(cell.plan.allocated_bytes == result.cache.lossless_bytes);
    }
    CHECK(std::isnan(result.differences.front().ratios.at("teacher_forced_kl").mean));
  }

  TEST_CASE("what does not fit into memory is computed again to the same bits") {
    CompareRequest request = small_request("uniform:window,hack");
    const Json all = timeless(compare_methods(var_basic_engine(), request));
    request.memory = 0;
    request.batch = 3;
    CHECK(timeless(compare_methods(var_basic_engine(), request)) == all);
    SampleSetOptions options = evaluation_set(request);
    CHECK(SampleSet(var_basic_engine(), options).kept_batches() == 0);
    options.memory = kDefaultCompareMemory;
    CHECK(SampleSet(var_basic_engine(), options).kept_batches() == 1);
  }

  TEST_CASE("an interrupted comparison loses one cell and ends with the same figures") {
    const Json whole = timeless(compare_methods(var_basic_engine(), small_request()));
    const testing::TemporaryFolder folder;
    CompareRequest request = small_request();
    request.partial = folder / "c.json.partial";
    request.resume = true;
    for (const int cells : {2, 3}) {
      Interruption interruption(cells);
      std::ostream progress(&interruption);
      progress.exceptions(std::ios::badbit);
      request.progress = &progress;
      testing::check_error(
          ErrorCode::kInterrupted, [&] { (void)compare_methods(var_basic_engine(), request); }, "interrupted");
    }
    const CompareResult partial = read_compare(request.partial);
    CHECK_FALSE(partial.complete);
    CHECK(partial.cells.size() == 5);
    CHECK(partial.calibration_kl.size() > 2);
    request.progress = nullptr;
    request.run["threads"] = 2;  // where it runs is free to differ
    Json resumed = timeless(compare_methods(var_basic_engine(), request));
    CHECK(resumed["run"]["threads"] == 2);
    resumed["run"]["threads"] = 1;
    CHECK(resumed == whole);
    CHECK(resumed["cells"][1]["search"].size() == 4);
  }

  TEST_CASE("a partial file of another request is refused") {
    const testing::TemporaryFolder folder;
    CompareRequest request = small_request("uniform:window");
    request.partial = folder / "c.json.partial";
    request.resume = true;
    (void)compare_methods(var_basic_engine(), request);
    const auto check_other = [&](auto&& change) {
      CompareRequest other = request;
      change(other);
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)compare_methods(var_basic_engine(), other); }, "c.json.partial",
          "other options");
    };
    check_other([](CompareRequest& other) { other.budgets = {0.3}; });
    check_other([](CompareRequest& other) { other.evaluation.seed = 6; });
    check_other([](CompareRequest& other) { other.calibration = samples(1, 1); });
    check_other([](CompareRequest& other) { other.run["top_k"] = 7; });
    check_other([](CompareRequest& other) { other.made_from["capture"]["sha256"] = "cd"; });
  }

  TEST_CASE("plans of the same effect are generated once") {
    const CompareResult result =
        compare_methods(var_basic_engine(), small_request("hack:alpha=0.5,hack@variance:alpha=0.5"));
    const CompareCell& first = result.cells.at(0);
    const CompareCell& second = result.cells.at(1);
    CHECK(first.plan.sha256 == second.plan.sha256);
    CHECK(first.values.free_kl == second.values.free_kl);
    CHECK(first.seconds.generation == second.seconds.generation);
    CHECK(second.plan.allocated_bytes == first.plan.allocated_bytes);
  }

  TEST_CASE("what cannot be compared is refused before the model runs") {
    const auto check_refused = [](ErrorCode code, auto&& change, const auto&... words) {
      CompareRequest request = small_request("uniform:window");
      change(request);
      std::ostringstream progress;
      request.progress = &progress;
      testing::check_error(
          code, [&] { (void)compare_methods(var_basic_engine(), request); }, words...);
      CHECK(progress.str().empty());
    };
    check_refused(
        ErrorCode::kUsage,
        [](CompareRequest& request) {
          request.budgets = {0.5, 0.001};
        },
        "--budgets", "0.001", "one token in every head");
    check_refused(
        ErrorCode::kUsage, [](CompareRequest& request) { request.baselines = {"hack"}; }, "--baseline", "'hack'");
    check_refused(
        ErrorCode::kUsage,
        [](CompareRequest& request) {
          request.methods = parse_compare_methods("sensitivity", std::nullopt);
          request.inputs.sensitivity.reset();
        },
        "sensitivity.h5");
    check_refused(
        ErrorCode::kBadInput,
        [](CompareRequest& request) {
          request.methods = parse_compare_methods("sensitivity", std::nullopt);
          request.inputs.sensitivity->model.fingerprint = "other";
        },
        "fingerprint");
    const Evaluator tiny = Evaluator::open(repository_file("tests/data/evaluator/tiny.safetensors"));
    check_refused(
        ErrorCode::kBadInput, [&](CompareRequest& request) { request.evaluator = &tiny; }, "classes");
  }

  TEST_CASE("an estimate counts cells and searched candidates") {
    const CompareEstimate estimate = estimate_comparison(var_basic_engine(), small_request());
    CHECK(estimate.cells == 10);
    CHECK(estimate.candidates == 2 * (2 + 4));  // hack and hack++ at two budgets; the variant takes over
    CHECK(estimate.logit_bytes == 5 * var_basic_engine().steps().total_tokens() * var_basic_engine().vocabulary() * 4);
    CHECK(estimate.full_seconds > 0.0);
    CHECK(estimate.cell_seconds > 0.0);
    CHECK(estimate.search_seconds > 0.0);
  }
}
