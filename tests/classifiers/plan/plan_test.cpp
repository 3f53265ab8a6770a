#include "classifiers/plan/plan.h"

#include "classifiers/plan/small_plan.h"
#include "collectors/base/file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>

using namespace kvscope;

namespace {

/// A plan whose heads all score by the calibrated prior.
Plan plan_with_prior() {
  Plan plan = testing::small_plan();
  plan.rules["hack++-structural"] = retention_preset("hack++-structural");
  plan.prior = Array<float>({2, 2, 3, 3});
  for (HeadBudget& budget : plan.heads) {
    budget.rule = "hack++-structural";
    for (int k = 0; k < 3; ++k) {
      for (int s = 0; s <= k; ++s)
        plan.prior(budget.layer, budget.head, k, s) = 0.1F * static_cast<float>(k + s + budget.head);
    }
  }
  return plan;
}

void check_equal(const Plan& a, const Plan& b) {
  CHECK(a.method == b.method);
  CHECK(a.parameters == b.parameters);
  CHECK(a.model == b.model);
  CHECK(a.steps == b.steps);
  CHECK(a.rules == b.rules);
  CHECK(a.keeps_last_step == b.keeps_last_step);
  CHECK(a.made_from == b.made_from);
  CHECK(a.notes == b.notes);
  REQUIRE(a.heads.size() == b.heads.size());
  for (std::size_t i = 0; i < a.heads.size(); ++i) {
    CAPTURE(i);
    CHECK(a.heads[i].layer == b.heads[i].layer);
    CHECK(a.heads[i].head == b.heads[i].head);
    CHECK(a.heads[i].head_class == b.heads[i].head_class);
    CHECK(a.heads[i].rule == b.heads[i].rule);
    CHECK(a.heads[i].attend == b.heads[i].attend);
    CHECK(a.heads[i].carry == b.heads[i].carry);
    CHECK(a.heads[i].quantisation == b.heads[i].quantisation);
  }
  CHECK(a.prior.shape() == b.prior.shape());
  CHECK(std::ranges::equal(a.prior.values(), b.prior.values()));
}

/// Changes the document of a good plan and expects it to be refused with these words.
template <typename... Words>
void check_refused(const std::function<void(Json&)>& change, const Words&... words) {
  Json json = to_json(testing::small_plan());
  change(json);
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)plan_from_json(json, "p.json"); }, "p.json", words...);
}

}  // namespace

TEST_SUITE("classifiers.plan.plan") {
  TEST_CASE("a plan survives its file") {
    const testing::TemporaryFolder folder;
    Plan plan = testing::small_plan();
    plan.heads[1].head_class = HeadClass::kContextual;
    plan.made_from = {{"capture", {{"path", "c.h5"}, {"sha256", "00"}}}, {"heads", nullptr}};
    plan.notes = {"a note"};
    write_plan(folder / "plan.json", plan);
    check_equal(read_plan(folder / "plan.json"), plan);
  }

  TEST_CASE("the prior survives to the last bit and is stored as triangles") {
    const testing::TemporaryFolder folder;
    const Plan plan = plan_with_prior();
    write_plan(folder / "plan.json", plan);
    check_equal(read_plan(folder / "plan.json"), plan);
    const Json json = to_json(plan);
    CHECK(json["heads"][3]["prior"][0].size() == 1);
    CHECK(json["heads"][3]["prior"][2].size() == 3);
  }

  TEST_CASE("parameters of 8-bit heads survive to the last bit and other heads say nothing of elements") {
    const testing::TemporaryFolder folder;
    Plan plan = testing::small_plan();
    plan.heads[2].quantisation = testing::small_quantisation();
    write_plan(folder / "plan.json", plan);
    check_equal(read_plan(folder / "plan.json"), plan);
    Json json = to_json(plan);
    CHECK(json["heads"][2]["elements"] == "int8");
    CHECK(json["heads"][2]["quantisation"]["value"]["offset"].size() == 8);
    CHECK_FALSE(json["heads"][1].contains("elements"));
    CHECK_FALSE(json["heads"][1].contains("quantisation"));
    json["heads"][2]["elements"] = "model";
    CHECK_FALSE(plan_from_json(json, "p.json").heads[2].quantisation);
  }

  TEST_CASE("parameters of 8-bit heads that are missing or wrong name the head and the field and the channel") {
    const auto refuse = [](const std::function<void(Json&)>& change, const auto&... words) {
      Plan plan = testing::small_plan();
      plan.heads[2].quantisation = testing::small_quantisation();
      Json json = to_json(plan);
      change(json["heads"][2]);
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)plan_from_json(json, "p.json"); }, "p.json", "layer 1, head 0", words...);
    };
    refuse([](Json& j) { j["elements"] = "int4"; }, "'elements'", "int4", "model or int8");
    refuse([](Json& j) { j["elements"] = 8; }, "'elements'");
    refuse([](Json& j) { j.erase("quantisation"); }, "'quantisation'", "missing");
    refuse([](Json& j) { j["quantisation"].erase("value"); }, "'quantisation'", "'value'", "missing");
    refuse([](Json& j) { j["quantisation"]["key"] = 1; }, "'quantisation'", "key", "object");
    refuse([](Json& j) { j["quantisation"]["key"].erase("offset"); }, "'quantisation'", "key", "'offset'", "missing");
    refuse([](Json& j) { j["quantisation"]["key"]["scale"] = 1.0; }, "key scale", "no list");
    refuse([](Json& j) { j["quantisation"]["key"]["scale"].erase(7); }, "key scale", "7 entries", "expected 8");
    refuse([](Json& j) { j["quantisation"]["value"]["scale"][3] = 0.0; }, "value scale of channel 3", "is 0");
    refuse([](Json& j) { j["quantisation"]["value"]["scale"][3] = -1.0; }, "value scale of channel 3", "-1");
    refuse([](Json& j) { j["quantisation"]["value"]["scale"][3] = 1e-42; }, "value scale of channel 3", "above 0");
    refuse([](Json& j) { j["quantisation"]["key"]["offset"][0] = 1e300; }, "key offset of channel 0", "1e+300",
           "finite");
    refuse([](Json& j) { j["quantisation"]["key"]["offset"][5] = nullptr; }, "key offset of channel 5", "null");
    Plan plan = testing::small_plan();
    plan.heads[1].quantisation = testing::small_quantisation();
    plan.heads[1].quantisation->key.scale[2] = std::numeric_limits<float>::infinity();
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_plan(plan, "x"); }, "layer 0, head 1", "key scale of channel 2", "inf");
  }

  TEST_CASE("the file gives every budget as a fraction and keeps a list on a line") {
    const testing::TemporaryFolder folder;
    write_plan(folder / "plan.json", testing::small_plan());
    const std::string text = read_text_file(folder / "plan.json");
    CHECK(text.find("\"attend\": [1,5,6]") != std::string::npos);
    const Json json = parse_json(text, "plan.json");
    CHECK(json["heads"][0]["attend_fraction"][2].get<double>() == doctest::Approx(6.0 / 14.0));
    CHECK(json["heads"][0]["carry_fraction"] == Json::array({1.0, 1.0, 0.0}));
  }

  TEST_CASE("available tokens are what was carried plus the step's own") {
    const Plan plan = testing::small_plan();
    CHECK(available_tokens(plan, plan.heads[0], 0) == 1);
    CHECK(available_tokens(plan, plan.heads[0], 2) == 14);
    CHECK(cache_capacity(plan.heads[0]) == 5);
  }

  TEST_CASE("counts beyond what is there name layer and head and step and field") {
    check_refused([](Json& j) { j["heads"][1]["attend"][1] = 6; }, "layer 0", "head 1", "step 1", "'attend'", "6",
                  "1 to 5");
    check_refused([](Json& j) { j["heads"][1]["attend"][2] = 0; }, "step 2", "'attend'", "0 tokens");
    check_refused([](Json& j) { j["heads"][2]["carry"][1] = 6; }, "layer 1", "head 0", "step 1", "'carry'", "0 to 5");
    check_refused([](Json& j) { j["heads"][2]["carry"][0] = -1; }, "step 0", "'carry'", "-1");
    // Fewer carried tokens leave fewer to attend to later.
    check_refused(
        [](Json& j) {
          j["heads"][0]["carry"][1] = 2;
          j["heads"][0]["attend"][2] = 12;
        },
        "step 2", "1 to 11");
    // The rule keeps before it attends: more cannot be carried than was attended to.
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = 4; }, "step 1", "'carry'", "0 to 4");
    // Nobody reads the last step.
    check_refused([](Json& j) { j["heads"][3]["carry"][2] = 1; }, "layer 1", "head 1", "step 2", "'carry'", "0 to 0");
  }

  TEST_CASE("a plan that keeps the last step may carry it") {
    Plan plan = testing::small_plan();
    plan.keeps_last_step = true;
    for (HeadBudget& budget : plan.heads) budget.carry[2] = 6;
    CHECK_NOTHROW(check_plan(plan, "x"));
  }

  TEST_CASE("attending before selecting takes all there is") {
    Plan plan = testing::small_plan();
    plan.rules["attention-topk"].when = RetentionTime::kAfterAttending;
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_plan(plan, "x"); }, "step 2", "14 to 14");
  }

  TEST_CASE("heads must be there once and in order") {
    check_refused([](Json& j) { j["heads"].erase(3); }, "3 entries", "expected 4");
    check_refused([](Json& j) { j["heads"].erase(1); }, "layer 0, head 1 is missing");
    check_refused([](Json& j) { j["heads"][2] = j["heads"][1]; }, "layer 0, head 1", "twice");
    check_refused([](Json& j) { j["heads"][2]["layer"] = 9; }, "layer 9", "no such head");
    check_refused([](Json& j) { j["heads"][2]["head"] = -1; }, "head -1", "no such head");
    check_refused([](Json& j) { j["heads"].push_back(j["heads"][0]); }, "twice");
    check_refused([](Json& j) { j["heads"] = Json::array(); }, "0 entries");
    check_refused([](Json& j) { j["heads"] = "none"; }, "'heads'", "string");
    check_refused([](Json& j) { j["heads"][0] = 4; }, "heads[0]", "object");
  }

  TEST_CASE("lists of the wrong length or type are refused") {
    check_refused([](Json& j) { j["heads"][0]["attend"] = {1, 5}; }, "layer 0", "head 0", "'attend'", "2 entries", "3");
    check_refused([](Json& j) { j["heads"][0]["carry"] = {1, 5, 0, 0}; }, "'carry'", "4 entries");
    check_refused([](Json& j) { j["heads"][0]["carry"] = 5; }, "'carry'", "no list");
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = 5.0; }, "step 1", "'attend'", "5.0");
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = "5"; }, "step 1", "'attend'", "string");
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = nullptr; }, "step 1", "'attend'", "null");
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = 18446744073709551615U; }, "step 1", "'attend'");
    check_refused([](Json& j) { j["heads"][0]["attend"][1] = 9223372036854775807; }, "step 1", "'attend'", "1 to 5");
    check_refused([](Json& j) { j["heads"][0].erase("carry"); }, "'carry'", "missing");
  }

  TEST_CASE("rules and classes that do not exist are refused") {
    check_refused([](Json& j) { j["heads"][0]["rule"] = "best\nrule"; }, "layer 0", "head 0", "'rule'", "best\\nrule");
    check_refused([](Json& j) { j["heads"][0]["class"] = "important"; }, "'class'", "important");
    check_refused([](Json& j) { j["rules"]["attention-topk"]["score"]["kind"] = "magic"; }, "attention-topk", "'kind'",
                  "magic");
    check_refused([](Json& j) { j["rules"] = 1; }, "'rules'");
    check_refused([](Json& j) { j["rules"] = Json::object(); }, "attention-topk", "not among");
  }

  TEST_CASE("a prior that is missing or wrong names the head and the step") {
    const auto refuse = [](const std::function<void(Json&)>& change, const auto&... words) {
      Json json = to_json(plan_with_prior());
      change(json);
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)plan_from_json(json, "p.json"); }, "p.json", words...);
    };
    refuse([](Json& j) { j["heads"][2].erase("prior"); }, "layer 1, head 0", "'prior'", "missing");
    refuse([](Json& j) { j["heads"][2]["prior"].erase(0); }, "layer 1, head 0", "3 rows");
    refuse([](Json& j) { j["heads"][2]["prior"][1] = {0.5}; }, "step 1", "2 weights");
    refuse([](Json& j) { j["heads"][2]["prior"][1][0] = -0.5; }, "step 1", "-0.5");
    refuse([](Json& j) { j["heads"][2]["prior"][1][0] = 1e300; }, "step 1", "1e+300");
    refuse([](Json& j) { j["heads"][2]["prior"][1][0] = nullptr; }, "step 1", "null");
    Plan plan = plan_with_prior();
    plan.prior(0, 1, 2, 1) = std::numeric_limits<float>::quiet_NaN();
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_plan(plan, "x"); }, "layer 0, head 1, step 2", "nan");
    plan.prior = Array<float>();
    testing::check_error(
        ErrorCode::kBadInput, [&] { check_plan(plan, "x"); }, "layer 0, head 0", "calibrated weights");
  }

  TEST_CASE("other formats and versions and absurd geometry are refused") {
    check_refused([](Json& j) { j["format"] = "kvscope-heads"; }, "kvscope-heads", "kvscope-plan");
    check_refused([](Json& j) { j["version"] = 2; }, "version 2");
    check_refused(
        [](Json& j) {
          j["model"]["layers"] = 60000;
          j["model"]["heads"] = 60000;
          j["model"]["kv_heads"] = 60000;
        },
        "60000");
    check_refused([](Json& j) { j["model"]["layers"] = 1e99; }, "'layers'");
    check_refused([](Json& j) { j["steps"]["table"][2] = {0, 60000, 60000, 60000, 1}; }, "tokens");
    check_refused([](Json& j) { j["steps"]["table"] = Json(300, Json::array({0, 1, 1, 1, 1})); }, "300 steps");
    check_refused([](Json& j) { j["steps"]["table"] = Json::array(); }, "empty");
    check_refused([](Json& j) { j.erase("steps"); }, "'steps'", "missing");
    check_refused([](Json& j) { j["keeps_last_step"] = "no"; }, "'keeps_last_step'");
    check_refused([](Json& j) { j["notes"] = 3; }, "'notes'");
  }

  TEST_CASE("a file that is not there or cut short is one line") {
    const testing::TemporaryFolder folder;
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_plan(folder / "none.json"); }, "none.json");
    write_plan(folder / "plan.json", testing::small_plan());
    const std::string text = read_text_file(folder / "plan.json");
    for (const std::size_t length : {text.size() / 3, text.size() / 2, text.size() - 3}) {
      CAPTURE(length);
      write_file(folder / "cut.json", text.substr(0, length));
      testing::check_error(
          ErrorCode::kBadInput, [&] { (void)read_plan(folder / "cut.json"); }, "cut.json", "JSON");
    }
  }

  TEST_CASE("an impossible plan is not written") {
    const testing::TemporaryFolder folder;
    Plan plan = testing::small_plan();
    plan.heads[0].attend[2] = 99;
    testing::check_error(
        ErrorCode::kBadInput, [&] { write_plan(folder / "plan.json", plan); }, "99");
    CHECK_FALSE(std::filesystem::exists(folder / "plan.json"));
  }
}
