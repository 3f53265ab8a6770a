#include "classifiers/plan/plan_methods.h"
#include "collectors/base/file.h"
#include "collectors/models/engine_factory.h"
#include "reports/command_line/bundled_model.h"
#include "reports/command_line/command_run.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <map>

using namespace kvscope;
using testing::check_failure;
using testing::CommandOutcome;
using testing::run_command;

namespace {

CommandOutcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "profile");
  return run_command(words);
}

std::string write_hack_plan(const std::filesystem::path& path) {
  const auto engine = load_engine({.transformer = bundled_model().transformer, .tokenizer = bundled_model().tokenizer});
  write_plan(path, make_plan({.method = "hack", .compression = 0.5},
                             {.model = engine->model(), .steps = engine->steps(), .heads = [&] {
                                HeadClassification heads{.method = "test",
                                                         .layers = engine->model().layers,
                                                         .heads_per_layer = engine->model().heads};
                                for (int i = 0; i < heads.layers * heads.heads_per_layer; ++i) {
                                  heads.heads.push_back(
                                      {.layer = i / heads.heads_per_layer,
                                       .head = i % heads.heads_per_layer,
                                       .head_class = i % 3 == 0 ? HeadClass::kStructural : HeadClass::kContextual});
                                }
                                return heads;
                              }()}));
  return path.string();
}

double sum_of(const Json& rows, const char* field) {
  double sum = 0.0;
  for (const Json& row : rows) sum += row.at(field).get<double>();
  return sum;
}

}  // namespace

TEST_SUITE("reports.command_line.command_profile") {
  TEST_CASE("phases sum to the wall clock and nearly all of it has a name") {
    const CommandOutcome outcome = run({"--labels", "1,2", "--json"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json document = parse_json(outcome.out, "output");
    CHECK(document["device_note"].get<std::string>().find("CPU") != std::string::npos);
    const double wall = document["wall"]["seconds"].get<double>();
    CHECK(wall > 0.0);
    CHECK(sum_of(document["phases"], "wall_seconds") + document["wall"]["outside_seconds"].get<double>() ==
          doctest::Approx(wall));
    CHECK(document["wall"]["outside_seconds"].get<double>() < 0.05 * wall);
    CHECK(document["wall"]["named_seconds"].get<double>() > 0.7 * wall);
    CHECK(document["steps"]["table"].size() == 6);
    CHECK(document["scales"].size() == 6);
    CHECK(document["layers"].size() == 6);
    CHECK(document["heads"].size() == 6 * 6 * 6);
    CHECK(document["clock"] == "host");
    double attention = 0.0;
    for (const Json& row : document["phases"]) {
      if (row["phase"] == "attention") attention = row["wall_seconds"].get<double>();
    }
    CHECK(sum_of(document["heads"], "seconds") == doctest::Approx(attention));
  }

  TEST_CASE("a plan's cache shows selection and smaller heads take less of their layer") {
    const testing::TemporaryFolder folder;
    const std::string plan = write_hack_plan(folder / "plan.json");
    const CommandOutcome outcome = run({"--plan", plan, "--labels", "1", "--json", "--warm-up", "0"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json document = parse_json(outcome.out, "output");
    CHECK(document["method"] == "hack");
    CHECK(document["made_from"]["plan"]["sha256"].get<std::string>().size() == 64);
    std::map<std::string, double> seconds;
    for (const Json& row : document["phases"])
      seconds[row["phase"].get<std::string>()] = row["wall_seconds"].get<double>();
    CHECK(seconds["selection"] > 0.0);
    CHECK(seconds["cache update"] > 0.0);
    const Plan written = read_plan(plan);
    double structural = 0.0;
    double contextual = 0.0;
    for (const Json& row : document["heads"]) {
      if (row["step"] != 5 || row["layer"] != 0) continue;
      (row["head"].get<int>() % 3 == 0 ? structural : contextual) = row["seconds"].get<double>();
    }
    CHECK(structural / contextual == doctest::Approx(static_cast<double>(written.at(0, 0).attend[5]) /
                                                     static_cast<double>(written.at(0, 1).attend[5])));
  }

  TEST_CASE("heads that are measured alone sum to what is said") {
    const CommandOutcome outcome = run({"--labels", "1", "--heads", "isolated", "--json", "--warm-up", "0"});
    REQUIRE(outcome.status == 0);
    const Json document = parse_json(outcome.out, "output");
    CHECK(document["head_mode"] == "isolated");
    CHECK(sum_of(document["heads"], "seconds") == doctest::Approx(document["head_seconds"].get<double>()));
    for (const Json& row : document["heads"]) CHECK(row["seconds"].get<double>() > 0.0);
  }

  TEST_CASE("recording costs little and is measured against runs without") {
    const CommandOutcome outcome = run({"--labels", "1", "--overhead", "--repetitions", "3", "--json"});
    REQUIRE(outcome.status == 0);
    const Json overhead = parse_json(outcome.out, "output")["overhead"];
    CHECK(overhead["plain_seconds"].size() == 3);
    CHECK(overhead["recorded_seconds"].size() == 3);
    CHECK(overhead["ranges"].get<int>() > 500);
    CHECK(overhead["predicted_share"].get<double>() < 0.03);
  }

  TEST_CASE("wrong options are usage errors") {
    check_failure(run({"--heads", "guess"}), ErrorCode::kUsage, "--heads is 'guess'");
    check_failure(run({"--repetitions", "0"}), ErrorCode::kUsage, "--repetitions is 0");
    check_failure(run({"-o", "trace.txt"}), ErrorCode::kUsage, "trace.txt");
    check_failure(run({"--attention", "none"}), ErrorCode::kUsage, "--attention");
    check_failure(run({"--plan", "no.json", "--attention", "library"}), ErrorCode::kUsage, "--attention");
    check_failure(run({"--plan", "no.json"}), ErrorCode::kBadInput, "no.json");
  }
}
