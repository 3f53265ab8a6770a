#include "classifiers/plan/plan.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/base/file.h"
#include "kernels/compare/compare_result.h"
#include "reports/command_line/command_run.h"
#include "reports/command_line/small_capture.h"
#include "support/json_schema.h"
#include "support/paths.h"

#include <doctest/doctest.h>

using namespace kvscope;
using testing::check_failure;
using testing::CommandOutcome;
using testing::run_command;
using testing::small_capture;

namespace {

std::vector<std::string> comparing(const std::filesystem::path& output, std::vector<std::string> more) {
  std::vector<std::string> words = {"compare",
                                    "--capture",
                                    small_capture(),
                                    "--samples",
                                    "2",
                                    "--cfg",
                                    "1.5",
                                    "--top-k",
                                    "100",
                                    "--calibration-samples",
                                    "2",
                                    "--calibration-seed",
                                    "3",
                                    "-o",
                                    output.string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_SUITE("reports.command_compare") {
  TEST_CASE("a comparison prices heads and writes cells and plans and prints tables") {
    const testing::TemporaryFolder folder;
    const CommandOutcome outcome =
        run_command(comparing(folder / "c.json", {"--methods", "hack:alpha=0.35,uniform:window,sensitivity",
                                                  "--budgets", "0.2,0.5", "--heads-by", "order", "--baseline",
                                                  "uniform:window", "--plans", (folder / "plans").string()}));
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.find("cell 8 of 8: sensitivity at 50 %") != std::string::npos);
    CHECK(outcome.out.find("hack@order:alpha=0.35") != std::string::npos);
    CHECK(outcome.out.find("Paired differences") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder / "c.json.partial"));

    const Json json = Json::parse(read_text_file(folder / "c.json"));
    CHECK(testing::schema_complaints("kernels/compare/compare.schema.json", json) == "");
    const CompareResult result = read_compare(folder / "c.json");
    CHECK(result.evaluation.seed == 1000);
    CHECK(result.calibration.seed == 3);
    CHECK_FALSE(result.seen);
    CHECK(result.made_from["evaluator"].contains("sha256"));
    REQUIRE(result.cells.size() == 8);
    for (const CompareCell& cell : result.cells) {
      CHECK(cell.plan.allocated_bytes <= cell.budget_bytes);
      CHECK(cell.free_running.class_agreement.has_value());
      CHECK(cell.free_running.frechet.has_value());
      CHECK(read_plan(folder / "plans" / cell.plan.file).method == cell.plan.method);
    }
    const Sensitivity priced = read_sensitivity(folder / "c.sensitivity.h5");
    CHECK(priced.samples() == 2);
    CHECK(priced.run["seed"] == 3);

    // The prices serve another comparison, whose cells are then the same.
    const CommandOutcome again =
        run_command(comparing(folder / "d.json", {"--methods", "sensitivity", "--budgets", "0.5", "--json",
                                                  "--sensitivity", (folder / "c.sensitivity.h5").string()}));
    CAPTURE(again.err);
    REQUIRE(again.status == 0);
    CHECK(Json::parse(again.out)["cells"][0]["values"] == json["cells"][7]["values"]);
  }

  TEST_CASE("an estimate writes nothing") {
    const testing::TemporaryFolder folder;
    const CommandOutcome outcome =
        run_command(comparing(folder / "c.json", {"--methods", "hack,uniform:window", "--estimate", "--json"}));
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json estimate = Json::parse(outcome.out);
    CHECK(estimate["cells"] == 10);
    CHECK(estimate["candidates"] == 20);
    CHECK(estimate["pricing_seconds"] == 0.0);
    CHECK(estimate["seconds"].get<double>() > 0.0);
    CHECK(std::filesystem::is_empty(folder.path()));
  }

  TEST_CASE("samples that a calibration saw are refused unless allowed") {
    const testing::TemporaryFolder folder;
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.end(), {"--methods", "uniform:window", "--budgets", "0.5"});
      return run_command(comparing(folder / "c.json", std::move(more)));
    };
    check_failure(with({"--seed", "0"}), ErrorCode::kUsage, "c.h5");
    check_failure(with({"--seed", "3"}), ErrorCode::kUsage, "--calibration-seed");
    CHECK_FALSE(std::filesystem::exists(folder / "c.json"));
    const CommandOutcome allowed = with({"--seed", "0", "--allow-seen"});
    CAPTURE(allowed.err);
    CHECK(allowed.status == 0);
    CHECK(read_compare(folder / "c.json").seen);
  }

  TEST_CASE("what cannot be compared is refused in one line") {
    const testing::TemporaryFolder folder;
    check_failure(run_command({"compare"}), ErrorCode::kUsage, "'capture'");
    const auto with = [&](std::vector<std::string> more) { return run_command(comparing(folder / "c.json", more)); };
    check_failure(with({"--methods", "best"}), ErrorCode::kUsage, "'best'");
    check_failure(with({"--budgets", "0.5,0.5"}), ErrorCode::kUsage, "--budgets");
    check_failure(with({"--alphas", "0.2,0.2"}), ErrorCode::kUsage, "--alphas");
    check_failure(with({"--taus", "-1"}), ErrorCode::kUsage, "--taus");
    check_failure(with({"--attend", "0"}), ErrorCode::kUsage, "--attend");
    check_failure(with({"--heads-by", "colour"}), ErrorCode::kUsage, "'colour'");
    check_failure(with({"--calibration-samples", "0"}), ErrorCode::kUsage, "--calibration-samples");
    check_failure(with({"--budgets", "0.001"}), ErrorCode::kUsage, "one token in every head");
    check_failure(with({"--methods", "hack", "--baseline", "hack++"}), ErrorCode::kUsage, "--baseline");
    check_failure(with({"--sensitivity", small_capture()}), ErrorCode::kBadInput, "kvscope-capture");
    check_failure(with({"--sensitivity", (folder / "none.h5").string()}), ErrorCode::kBadInput, "none.h5");
    const std::string data = testing::repository_file("tests/data").string();
    check_failure(with({"--checkpoint", data + "/var_basic/var.pth", "--tokenizer", data + "/var_vae.pth"}),
                  ErrorCode::kBadInput, "c.h5");
    CHECK(std::filesystem::is_empty(folder.path()));
  }

  TEST_CASE("prices of other rules are refused") {
    const testing::TemporaryFolder folder;
    const std::string prices = (folder / "s.h5").string();
    REQUIRE(run_command({"sensitivity", "--capture", small_capture(), "--samples", "1", "--cfg", "1.5", "--top-k",
                         "100", "--budgets", "4,16", "--draws", "1", "-o", prices})
                .status == 0);
    Sensitivity sensitivity = read_sensitivity(prices);
    const auto with = [&] {
      write_sensitivity(prices, sensitivity);
      return run_command(comparing(folder / "c.json", {"--methods", "sensitivity", "--sensitivity", prices}));
    };
    const std::string name = sensitivity.rules.front().name;
    sensitivity.rules.front().rule.protect.recent_tokens += 1;
    check_failure(with(), ErrorCode::kBadInput, "'" + name + "'");
    sensitivity = read_sensitivity(prices);
    sensitivity.rules.front().name = "mine";
    check_failure(with(), ErrorCode::kBadInput, "not priced");
    sensitivity.model.fingerprint = "other";
    check_failure(with(), ErrorCode::kBadInput, "s.h5");
  }
}
