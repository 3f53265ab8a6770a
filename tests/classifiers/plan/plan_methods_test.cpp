#include "classifiers/plan/plan_methods.h"

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/small_plan.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace kvscope;

namespace {

using Tokens = std::vector<std::int64_t>;

ModelInfo var_d30() {
  ModelInfo model = testing::small_model();
  model.layers = 30;
  model.heads = 30;
  model.kv_heads = 30;
  model.head_dim = 64;
  return model;
}

StepTable var_256() {
  return StepTable::square(std::vector<int>{1, 2, 3, 4, 5, 6, 8, 10, 13, 16});
}

/// The bundled model: six layers of six heads of 32, scales 1 to 8.
ModelInfo bundled() {
  ModelInfo model = testing::small_model();
  model.layers = 6;
  model.heads = 6;
  model.kv_heads = 6;
  model.head_dim = 32;
  return model;
}

StepTable bundled_steps() {
  return StepTable::square(std::vector<int>{1, 2, 3, 4, 6, 8});
}

/// The first `n` heads of every layer are contextual.
HeadClassification first_heads_contextual(const ModelInfo& model, int n) {
  HeadClassification heads;
  heads.method = "variance";
  heads.layers = model.layers;
  heads.heads_per_layer = model.heads;
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int head = 0; head < model.heads; ++head) {
      heads.heads.push_back(
          {.layer = layer, .head = head, .head_class = head < n ? HeadClass::kContextual : HeadClass::kStructural});
    }
  }
  return heads;
}

/// Attention that differs by layer, head and step.
AttentionCalibration calibration(const ModelInfo& model, const StepTable& steps) {
  std::vector<SourceMass> mass;
  for (int k = 0; k < steps.size(); ++k) {
    const auto n_source = static_cast<std::int64_t>(steps.sources(k).size());
    mass.emplace_back(Shape{model.layers, model.heads, n_source});
    for (std::int64_t layer = 0; layer < model.layers; ++layer) {
      for (std::int64_t head = 0; head < model.heads; ++head) {
        const double own = n_source == 1 ? 1.0 : 1.0 - 0.9 / static_cast<double>(1 + layer + 3 * head);
        for (std::int64_t s = 0; s < n_source; ++s) {
          mass.back()(layer, head, s) = s == n_source - 1 ? own : (1.0 - own) / static_cast<double>(n_source - 1);
        }
      }
    }
  }
  return calibrate_attention(model, steps, mass);
}

PlanInputs inputs(const ModelInfo& model, const StepTable& steps, int n_contextual) {
  return {model, steps, first_heads_contextual(model, n_contextual), calibration(model, steps), Json()};
}

std::int64_t slots_of(const Plan& plan) {
  return std::accumulate(plan.heads.begin(), plan.heads.end(), std::int64_t{0},
                         [](std::int64_t sum, const HeadBudget& budget) { return sum + cache_capacity(budget); });
}

std::int64_t carried_at(const Plan& plan, int step) {
  return plan_totals(plan).carried[static_cast<std::size_t>(step)];
}

void check_refused(const PlanRequest& request, const PlanInputs& from, ErrorCode code, std::string_view word) {
  testing::check_error(
      code, [&] { (void)make_plan(request, from); }, word);
}

}  // namespace

TEST_SUITE("classifiers.plan.plan_methods") {
  TEST_CASE("full keeps everything and lossless all that is read again") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const Plan full = make_plan({.method = "full"}, from);
    CHECK(full.keeps_last_step);
    CHECK(full.at(3, 4).attend == Tokens{1, 5, 14, 30, 66, 130});
    CHECK(full.at(3, 4).carry == Tokens{1, 5, 14, 30, 66, 130});
    CHECK(plan_totals(full).allocated_bytes == plan_totals(full).full_bytes);
    const Plan lossless = make_plan({.method = "lossless"}, from);
    CHECK_FALSE(lossless.keeps_last_step);
    CHECK(lossless.at(3, 4).attend == full.at(3, 4).attend);
    CHECK(lossless.at(3, 4).carry == Tokens{1, 5, 14, 30, 66, 0});
    CHECK(plan_totals(lossless).allocated_bytes == plan_totals(lossless).lossless_bytes);
  }

  TEST_CASE("uniform budgets are the closed form") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const Plan plan = make_plan({.method = "uniform", .attend = 0.5, .carry = 0.2, .rule = "window"}, from);
    CHECK(plan.at(0, 0).attend == Tokens{1, 5, 14, 30, 62, 65});
    CHECK(plan.at(0, 0).carry == Tokens{1, 5, 14, 26, 26, 0});
    CHECK(plan.rules.at("window").when == RetentionTime::kBothBudgets);
    const Plan one_budget = make_plan({.method = "uniform", .tokens = 20, .rule = "window"}, from);
    CHECK(one_budget.at(5, 5).attend == Tokens{1, 5, 14, 20, 20, 20});
    CHECK(one_budget.at(5, 5).carry == Tokens{1, 5, 14, 20, 20, 0});
    CHECK(one_budget.rules.at("window").when == RetentionTime::kBeforeAttending);
  }

  TEST_CASE("uniform plans of VAR-d30 cost the published FLOPs") {
    const PlanInputs from = inputs(var_d30(), var_256(), 10);
    const auto tera_flops = [&](const PlanRequest& request) {
      return fmt::format("{:.2f}", 32 * plan_totals(make_plan(request, from)).compressed_flops / 1e12);
    };
    CHECK(tera_flops({.method = "full"}) == "4.22");
    CHECK(tera_flops({.method = "uniform", .compression = 0.5}) == "2.73");
    CHECK(tera_flops({.method = "uniform", .compression = 0.7}) == "1.80");
  }

  TEST_CASE("no compression means no difference") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const Plan lossless = make_plan({.method = "lossless"}, from);
    for (const char* method : {"uniform", "hack", "hack++"}) {
      CAPTURE(method);
      const Plan plan = make_plan({.method = method, .compression = 0.0}, from);
      CHECK(plan.at(2, 1).attend == lossless.at(2, 1).attend);
      CHECK(plan.at(2, 1).carry == lossless.at(2, 1).carry);
      CHECK(plan.at(2, 5).carry == lossless.at(2, 5).carry);
      CHECK(plan.notes.empty());
    }
  }

  TEST_CASE("hack gives two numbers to two classes and the total is exact") {
    const Plan plan = make_plan({.method = "hack", .compression = 0.5}, inputs(var_d30(), var_256(), 10));
    std::int64_t sum = 0;
    for (const HeadBudget& budget : plan.heads) {
      // 340 = B_S (0.3 / 3 + 2 / 3): B_S = 443.48, B_C = 133.04
      const bool is_contextual = budget.head_class == HeadClass::kContextual;
      CHECK(budget.rule == (is_contextual ? "hack-contextual" : "hack-structural"));
      CHECK(budget.attend.back() >= (is_contextual ? 133 : 443));
      CHECK(budget.attend.back() <= (is_contextual ? 134 : 444));
      CHECK(budget.carry.back() == 0);
      // "The same two numbers at every scale", clipped at what is there.
      CHECK(budget.carry[7] == (is_contextual ? budget.attend.back() : 255));
      sum += budget.attend.back();
    }
    CHECK(sum == 900 * 340);
    CHECK(plan.parameters["structural_budget"].get<double>() == doctest::Approx(443.478).epsilon(1e-5));
    CHECK(plan.notes.empty());
  }

  TEST_CASE("what structural heads cannot use goes to contextual ones") {
    const Plan plan = make_plan({.method = "hack", .compression = 0.1}, inputs(var_d30(), var_256(), 10));
    // B_S would be 798 of 680: the surplus lifts B_C from 239 to 476 and the total stays 612 a head.
    CHECK(plan.at(0, 29).attend.back() == 680);
    CHECK(plan.at(0, 0).attend.back() == 476);
    CHECK(plan_totals(plan).attended.back() == 900 * 612);
  }

  TEST_CASE("structural budgets below first and current tokens are noted") {
    const Plan plan = make_plan({.method = "hack", .compression = 0.7}, inputs(var_d30(), var_256(), 10));
    CHECK(plan.notes.empty());  // B_S = 266 >= 5 + 256
    const Plan tight = make_plan({.method = "hack", .compression = 0.75}, inputs(var_d30(), var_256(), 10));
    REQUIRE(tight.notes.size() == 1);
    CHECK(tight.notes[0].find("5 of the first 2 steps") != std::string::npos);
    CHECK(tight.notes[0].find("256 of step 9") != std::string::npos);
    CHECK(make_plan({.method = "hack", .compression = 0.75, .first_steps = 0}, inputs(var_d30(), var_256(), 30))
              .notes.empty());
  }

  TEST_CASE("hack plus plus gives carry budgets in proportion to the future attention") {
    const ModelInfo model = bundled();
    const PlanInputs from = inputs(model, bundled_steps(), 2);
    const Plan plan = make_plan({.method = "hack++", .attend = 0.3, .carry = 0.1, .tau = 1.0}, from);
    CHECK(plan.rules.at("hack++-structural").score.kind == TokenScore::kCalibratedPrior);
    // Attend: 39 tokens for all; carry: 13 a head in all, exactly, once there are more to choose from.
    for (const HeadBudget& budget : plan.heads) CHECK(budget.attend.back() == 39);
    for (const int step : {2, 3, 4}) CHECK(carried_at(plan, step) == 36 * 13);
    CHECK(carried_at(plan, 5) == 0);
    // The formula by hand for the second last step, where no head is clipped at what is there.
    std::vector<double> means(12, 0.0);
    double all = 0.0;
    for (int layer = 0; layer < 6; ++layer) {
      for (int head = 0; head < 6; ++head) {
        const double gamma = from.calibration->future(layer, head, 4);
        const int group = 2 * layer + (head < 2 ? 0 : 1);
        means[static_cast<std::size_t>(group)] += gamma / (head < 2 ? 2 : 4);
        all += gamma;
      }
    }
    for (const HeadBudget& budget : plan.heads) {
      CAPTURE(budget.layer);
      CAPTURE(budget.head);
      const double mean = means[static_cast<std::size_t>(2 * budget.layer + (budget.head < 2 ? 0 : 1))];
      const double expected = 13.0 * 36.0 * mean / all;
      if (expected > 1.0) CHECK(std::abs(static_cast<double>(budget.carry[4]) - expected) <= 1.0);
      CHECK(budget.carry[4] >= 1);
    }
  }

  TEST_CASE("tau zero makes carry budgets equal and larger ones spread them") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const auto spread = [&](double tau) {
      const Plan plan = make_plan({.method = "hack++", .attend = 0.3, .carry = 0.1, .tau = tau}, from);
      std::int64_t low = 1000;
      std::int64_t high = 0;
      for (const HeadBudget& budget : plan.heads) {
        low = std::min(low, budget.carry[4]);
        high = std::max(high, budget.carry[4]);
      }
      return high - low;
    };
    CHECK(spread(0.0) == 0);
    CHECK(spread(0.5) > 0);
    CHECK(spread(1.0) > spread(0.5));
    CHECK(make_plan({.method = "hack++", .carry = 0.1}, from).parameters["tau"] == 0.5);
  }

  TEST_CASE("the prior is kept where a rule asks for it and survives the file") {
    const testing::TemporaryFolder folder;
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const Plan plan = make_plan({.method = "hack++", .attend = 0.3, .carry = 0.1}, from);
    CHECK(plan.prior(1, 0, 5, 2) == 0.0F);
    CHECK(plan.prior(1, 3, 5, 2) == from.calibration->prior(1, 3, 5, 2));
    write_plan(folder / "p.json", plan);
    const Plan read = read_plan(folder / "p.json");
    CHECK(std::ranges::equal(read.prior.values(), plan.prior.values()));
    CHECK(to_json(read) == to_json(plan));
  }

  TEST_CASE("the look-ahead rule gets the weights of later steps") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const Plan plan = make_plan({.method = "uniform", .compression = 0.5, .rule = "look-ahead"}, from);
    CHECK(std::ranges::equal(plan.prior.values(), from.calibration->look_ahead.values()));
    PlanInputs without = from;
    without.calibration.reset();
    testing::check_error(
        ErrorCode::kUsage,
        [&] { (void)make_plan({.method = "uniform", .compression = 0.5, .rule = "look-ahead"}, without); },
        "look-ahead", "--capture");
  }

  TEST_CASE("budgets in bytes are used and never exceeded") {
    const PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const std::int64_t slot = 2 * 32 * 8;
    for (const char* method : {"uniform", "hack", "hack++"}) {
      for (const std::int64_t bytes :
           {36 * slot, 36 * 10 * slot + 7, 36 * 40 * slot, 36 * 66 * slot, 100'000'000 * slot}) {
        CAPTURE(method);
        CAPTURE(bytes);
        const PlanTotals totals = plan_totals(make_plan({.method = method, .bytes = bytes}, from));
        CHECK(totals.allocated_bytes <= bytes);
        CHECK(totals.peak_bytes <= totals.allocated_bytes);
        // Nothing is left that would give one head in nine another token, or everything is there.
        if (totals.allocated_bytes < totals.lossless_bytes) CHECK(bytes - totals.allocated_bytes < 4 * slot);
      }
    }
    check_refused({.method = "uniform", .bytes = 36 * slot - 1}, from, ErrorCode::kUsage, "36 heads");
  }

  TEST_CASE("element types of the run decide what fits into bytes") {
    PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const auto tokens = [&] { return carried_at(make_plan({.method = "uniform", .bytes = 500'000}, from), 4); };
    CHECK(tokens() == 500'000 / (2 * 32 * 8));
    from.model.key_type = ElementType::kBFloat16;
    from.model.value_type = ElementType::kBFloat16;
    CHECK(tokens() == 500'000 / (2 * 32 * 4));
  }

  TEST_CASE("a key head is structural if one of its query heads is") {
    ModelInfo model = bundled();
    model.kv_heads = 2;
    PlanInputs from = inputs(model, bundled_steps(), 4);
    const Plan plan = make_plan({.method = "hack", .compression = 0.5}, from);
    CHECK(plan.heads.size() == 12);
    CHECK(plan.at(0, 0).head_class == HeadClass::kContextual);
    CHECK(plan.at(0, 1).head_class == HeadClass::kStructural);
  }

  TEST_CASE("missing and foreign inputs are refused") {
    PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    from.heads.reset();
    check_refused({.method = "hack", .compression = 0.5}, from, ErrorCode::kUsage, "--heads");
    from = inputs(bundled(), bundled_steps(), 2);
    from.calibration.reset();
    check_refused({.method = "hack++", .carry = 0.5}, from, ErrorCode::kUsage, "capture");
    from = inputs(bundled(), bundled_steps(), 2);
    from.heads = first_heads_contextual(var_d30(), 3);
    check_refused({.method = "hack", .compression = 0.5}, from, ErrorCode::kBadInput, "30 layers");
    from.heads = first_heads_contextual(bundled(), 3);
    from.heads->model = bundled();
    from.heads->model->fingerprint = "another";
    check_refused({.method = "hack", .compression = 0.5}, from, ErrorCode::kBadInput, "fingerprint");
    from = inputs(bundled(), bundled_steps(), 2);
    check_refused({.method = "hack++", .carry = 0.001}, from, ErrorCode::kUsage, "0.13 tokens");
  }

  TEST_CASE("heads of one class only are no obstacle") {
    for (const int n_contextual : {0, 6}) {
      for (const char* method : {"hack", "hack++"}) {
        CAPTURE(n_contextual);
        CAPTURE(method);
        const Plan plan =
            make_plan({.method = method, .compression = 0.5}, inputs(bundled(), bundled_steps(), n_contextual));
        CHECK(plan_totals(plan).attended.back() == 36 * 65);
      }
    }
  }

  TEST_CASE("every method stores 8-bit elements with the same counts") {
    PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    for (int head = 0; head < 36; ++head) {
      const ChannelQuantisation channels{std::vector<float>(32, 0.5F),
                                         std::vector<float>(32, static_cast<float>(head))};
      from.quantisation.push_back({.key = channels, .value = channels});
    }
    for (const std::string method : {"full", "lossless", "uniform", "hack", "hack++"}) {
      CAPTURE(method);
      PlanRequest request{.method = method};
      if (method != "full" && method != "lossless") request.compression = 0.6;
      const Plan wide = make_plan(request, from);
      request.elements = StoredElements::kInt8;
      const Plan coded = make_plan(request, from);
      CHECK(coded.parameters["elements"] == "int8");
      CHECK_FALSE(wide.parameters.contains("elements"));
      for (std::size_t i = 0; i < coded.heads.size(); ++i) {
        CHECK(coded.heads[i].carry == wide.heads[i].carry);
        CHECK(coded.heads[i].attend == wide.heads[i].attend);
        CHECK_FALSE(wide.heads[i].quantisation);
        CHECK(coded.heads[i].quantisation == from.quantisation[i]);
      }
      // A quarter of float32, and 16 bytes of parameters per channel and head.
      CHECK(plan_totals(coded).allocated_bytes == plan_totals(wide).allocated_bytes / 4 + 36 * 32 * 16);
      CHECK(plan_totals(coded).full_bytes == plan_totals(wide).full_bytes);
    }
  }

  TEST_CASE("bytes buy about four times as many 8-bit tokens as float32 ones and parameters are paid for") {
    PlanInputs from = inputs(bundled(), bundled_steps(), 2);
    const ChannelQuantisation channels{std::vector<float>(32, 0.5F), std::vector<float>(32, 0.0F)};
    from.quantisation.assign(36, {.key = channels, .value = channels});
    const std::int64_t parameters = 36 * 32 * 16;
    PlanRequest request{.method = "uniform", .bytes = 200'000};
    const Plan wide = make_plan(request, from);
    request.elements = StoredElements::kInt8;
    const Plan coded = make_plan(request, from);
    CHECK(plan_totals(coded).allocated_bytes <= 200'000);
    CHECK(slots_of(wide) == 200'000 / (2 * 256));
    CHECK(slots_of(coded) == (200'000 - parameters) / (2 * 64));
    request.bytes = parameters + 36 * 2 * 64 - 1;
    check_refused(request, from, ErrorCode::kUsage, "one token");
    request.bytes = parameters + 36 * 2 * 64;
    CHECK(cache_capacity(make_plan(request, from).heads[35]) == 1);
  }

  TEST_CASE("8-bit elements without ranges are refused") {
    PlanRequest request{.method = "lossless", .elements = StoredElements::kInt8};
    check_refused(request, inputs(bundled(), bundled_steps(), 2), ErrorCode::kUsage, "ranges");
  }
}
