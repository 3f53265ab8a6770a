#include "classifiers/plan/retention_rule.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;

namespace {

Json changed(std::string_view slot, std::string_view field, const Json& value) {
  Json rule = to_json(retention_preset("hack-structural"));
  rule[std::string(slot)][std::string(field)] = value;
  return rule;
}

template <typename... Words>
void check_refused(const Json& rule, const Words&... words) {
  testing::check_error(
      ErrorCode::kBadInput, [&] { (void)retention_rule_from_json(rule, "p.json: rule \"r\""); }, "p.json", words...);
}

}  // namespace

TEST_SUITE("classifiers.plan.retention_rule") {
  TEST_CASE("every preset survives JSON with all slots spelled out") {
    for (const std::string& name : retention_preset_names()) {
      CAPTURE(name);
      const RetentionRule rule = retention_preset(name);
      const Json json = to_json(rule);
      CHECK(json.size() == 5);
      CHECK(json["score"].size() == 4);
      CHECK(json["smooth"].size() == 2);
      CHECK(json["protect"].size() == 4);
      CHECK(json["losers"].size() == 2);
      CHECK(retention_rule_from_json(parse_json(json.dump(), "x"), "x") == rule);
    }
  }

  TEST_CASE("the presets are the published policies") {
    const RetentionRule window = retention_preset("window");
    CHECK(window.score.kind == TokenScore::kAge);
    CHECK(window.protect.first_steps == 2);

    const RetentionRule contextual = retention_preset("hack-contextual");
    CHECK(contextual.score.kind == TokenScore::kObservedAttention);
    CHECK(contextual.score.observation_queries == 32);
    CHECK(contextual.protect == ProtectSlot{});
    CHECK(contextual.losers == LoserSlot{Losers::kMerge, true});
    CHECK(contextual.when == RetentionTime::kBeforeAttending);

    const RetentionRule structural = retention_preset("hack-structural");
    CHECK(structural.protect.first_steps == 2);
    CHECK(structural.protect.current_step);
    CHECK(structural.protect.gives_way.front() == ProtectedSet::kFirstSteps);
    CHECK(structural.losers.kind == Losers::kDrop);

    const RetentionRule pooled = retention_preset("hack++-contextual");
    CHECK(pooled.smooth == SmoothSlot{Smoothing::kMaximum, 5});
    CHECK(pooled.when == RetentionTime::kBothBudgets);

    const RetentionRule prior = retention_preset("hack++-structural");
    CHECK(prior.score.kind == TokenScore::kCalibratedPrior);
    CHECK(prior.score.times_value_norm);
    CHECK(prior.smooth.kind == Smoothing::kNone);
    CHECK(prior.when == RetentionTime::kBothBudgets);

    const RetentionRule ahead = retention_preset("look-ahead");
    CHECK(ahead.score.kind == TokenScore::kLookAhead);
    CHECK(ahead.score.times_value_norm);
    CHECK(ahead.when == RetentionTime::kAfterAttending);
  }

  TEST_CASE("a preset that does not exist is answered with those that do") {
    testing::check_error(
        ErrorCode::kUsage, [] { (void)retention_preset("hack"); }, "'hack'", "hack-contextual", "window");
  }

  TEST_CASE("unknown kinds and values out of range name slot and field") {
    check_refused(changed("score", "kind", "entropy"), "slot 'score'", "'kind'", "entropy", "observed-attention");
    check_refused(changed("score", "kind", 3), "slot 'score'", "'kind'");
    check_refused(changed("score", "observation_queries", -1), "'observation_queries'", "-1");
    check_refused(changed("score", "observation_queries", 1e30), "'observation_queries'");
    check_refused(changed("score", "times_value_norm", 1), "'times_value_norm'");
    check_refused(changed("score", "seed", -5), "'seed'");
    check_refused(changed("smooth", "width", 4), "'width'", "odd");
    check_refused(changed("smooth", "width", 0), "'width'", "0");
    check_refused(changed("protect", "first_steps", 1 << 20), "'first_steps'");
    check_refused(changed("protect", "recent_tokens", -2), "'recent_tokens'", "-2");
    check_refused(changed("losers", "kind", "melt\nthem"), "slot 'losers'", "melt\\nthem");
    Json rule = to_json(retention_preset("full"));
    rule["when"] = "tomorrow";
    check_refused(rule, "'when'", "tomorrow");
  }

  TEST_CASE("every set gives way once") {
    check_refused(changed("protect", "gives_way", Json::array({"first-steps"})), "'gives_way'", "1 of the 3");
    check_refused(changed("protect", "gives_way", Json::array({"first-steps", "first-steps", "current-step"})),
                  "twice");
    check_refused(changed("protect", "gives_way", Json::array({"first-steps", "last-steps", "current-step"})),
                  "last-steps");
  }

  TEST_CASE("slots that are missing or unknown are refused by name") {
    Json without = to_json(retention_preset("full"));
    without.erase("losers");
    check_refused(without, "slot 'losers'", "missing");
    Json with_more = to_json(retention_preset("full"));
    with_more["quantise"] = {{"bits", 4}};
    check_refused(with_more, "unknown", "quantise");
    check_refused(changed("score", "temperature", 2), "slot 'score'", "unknown", "temperature");
    check_refused(Json::array(), "object");
    check_refused(changed("protect", "gives_way", 7), "gives_way");
    Json no_slot = to_json(retention_preset("full"));
    no_slot["score"] = 5;
    check_refused(no_slot, "slot 'score'", "object");
  }
}
