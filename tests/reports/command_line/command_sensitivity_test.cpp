#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"
#include "reports/command_line/command_run.h"
#include "reports/command_line/small_capture.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace kvscope;
using testing::check_failure;
using testing::CommandOutcome;
using testing::run_command;
using testing::small_capture;

namespace {

std::vector<std::string> pricing(const std::filesystem::path& output, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"sensitivity", "--capture", small_capture(), "--samples", "3",       "--cfg",
                                    "1.5",         "--top-k",   "100",           "--budgets", "4,16,40", "--draws",
                                    "2",           "-o",        output.string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_SUITE("reports.command_sensitivity") {
  TEST_CASE("prices become a plan of the bytes asked for and its forecast") {
    const testing::TemporaryFolder folder;
    const CommandOutcome priced = run_command(pricing(folder / "s.h5", {"--check", "3", "--json"}));
    CAPTURE(priced.err);
    REQUIRE(priced.status == 0);
    const Json result = Json::parse(priced.out);
    CHECK(result["samples"] == 3);
    CHECK(result["heads"].size() == 36);
    CHECK(result["uniform"].size() == 3);
    CHECK(result["check"]["prices"].size() == 3);
    CHECK_FALSE(std::filesystem::exists(folder / "s.h5.partial"));
    CHECK(read_sensitivity(folder / "s.h5").counts == std::vector<std::int64_t>{4, 16, 40});

    const std::string plan = (folder / "p.json").string();
    const CommandOutcome made =
        run_command({"plan", "--method", "sensitivity", "--sensitivity", (folder / "s.h5").string(), "--capture",
                     small_capture(), "--bytes", "400000", "-o", plan});
    CAPTURE(made.err);
    REQUIRE(made.status == 0);
    CHECK(plan_totals(read_plan(plan)).allocated_bytes <= 400000);
    const CommandOutcome shown = run_command({"plan", "show", plan, "--json"});
    CHECK(Json::parse(shown.out)["forecasts"].size() == 36);
    CHECK(run_command({"replay", "--plan", plan, "--samples", "1", "-o", (folder / "r.json").string()}).status == 0);
  }

  TEST_CASE("an estimate writes nothing and says what the run takes") {
    const testing::TemporaryFolder folder;
    const CommandOutcome estimated = run_command(pricing(folder / "s.h5", {"--estimate", "--json"}));
    CAPTURE(estimated.err);
    REQUIRE(estimated.status == 0);
    const Json json = Json::parse(estimated.out);
    CHECK(json["samples"] == 3);
    CHECK(json["seconds"] > 0.0);
    CHECK(json["memory_bytes"] > 0);
    CHECK(std::filesystem::is_empty(folder.path()));
    REQUIRE(run_command(pricing(folder / "s.h5")).status == 0);
    const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(folder / "s.h5"));
    CHECK(json["file_bytes"] <= bytes);
    CHECK(bytes < json["file_bytes"].get<std::int64_t>() + 20'000);
  }

  TEST_CASE("too little memory for derivatives is said before anything is made") {
    const testing::TemporaryFolder folder;
    const CommandOutcome estimated = run_command(pricing(folder / "s.h5", {"--estimate", "--json"}));
    const std::string besides = std::to_string(Json::parse(estimated.out)["memory_bytes"].get<std::int64_t>());
    check_failure(run_command(pricing(folder / "s.h5", {"--max-memory", besides})), ErrorCode::kEnvironment,
                  "not enough memory: 3 samples together");
    CHECK(std::filesystem::is_empty(folder.path()));
  }

  TEST_CASE("a plan holds its limit of the peak or the average and refining keeps the better plan") {
    const testing::TemporaryFolder folder;
    const std::string prices = (folder / "s.h5").string();
    REQUIRE(run_command(pricing(prices)).status == 0);
    const auto plan_with = [&](std::vector<std::string> more) {
      std::vector<std::string> words = {"plan",
                                        "--method",
                                        "sensitivity",
                                        "--sensitivity",
                                        prices,
                                        "--capture",
                                        small_capture(),
                                        "--carry",
                                        "0.1",
                                        "-o",
                                        (folder / "p.json").string()};
      words.insert(words.end(), more.begin(), more.end());
      return run_command(words);
    };
    const std::int64_t tokens = 13 * 36;
    REQUIRE(plan_with({}).status == 0);
    const double fixed = read_plan(folder / "p.json").parameters["expected_kl"];
    REQUIRE(plan_with({"--limit", "peak"}).status == 0);
    const Plan peak = read_plan(folder / "p.json");
    CHECK(std::ranges::max(plan_totals(peak).carried) == tokens);
    CHECK(peak.parameters["expected_kl"] < fixed);
    REQUIRE(plan_with({"--limit", "average"}).status == 0);
    const PlanTotals average = plan_totals(read_plan(folder / "p.json"));
    CHECK(std::ranges::max(average.carried) > tokens);
    CHECK(average.average_bytes <= static_cast<double>(tokens * 2 * 2 * 4 * 32));

    const CommandOutcome refined =
        plan_with({"--limit", "peak", "--refine", "1", "--samples", "2", "--cfg", "1.5", "--top-k", "100"});
    CAPTURE(refined.err);
    REQUIRE(refined.status == 0);
    CHECK(refined.err.find("round 1: KL") != std::string::npos);
    const Plan plan = read_plan(folder / "p.json");
    CHECK(plan.parameters["refinement"]["measured_kl"].size() == 2);
    CHECK(plan.made_from["refinement"]["guidance"] == 1.5);
    CHECK(std::ranges::max(plan_totals(plan).carried) == tokens);

    check_failure(plan_with({"--limit", "most"}), ErrorCode::kUsage, "--limit is");
    check_failure(plan_with({"--samples", "2"}), ErrorCode::kUsage, "without --refine");
    check_failure(plan_with({"--refine", "0"}), ErrorCode::kUsage, "--refine");
  }

  TEST_CASE("both kinds of elements are priced and a plan gives each head the one that costs it least") {
    const testing::TemporaryFolder folder;
    const std::string prices = (folder / "s.h5").string();
    const CommandOutcome priced =
        run_command({"sensitivity", "--capture", small_capture(), "--samples", "2", "--cfg", "1.5", "--top-k", "100",
                     "--budgets", "4,16,66", "--draws", "1", "--elements", "model,int8", "--check", "2", "-o", prices});
    CAPTURE(priced.err);
    REQUIRE(priced.status == 0);
    CHECK(priced.out.find("look-ahead int8") != std::string::npos);
    const Sensitivity sensitivity = read_sensitivity(prices);
    const auto rules = std::ssize(sensitivity.rules) / 2;
    CHECK(sensitivity.rules.back().elements == StoredElements::kInt8);
    // All tokens in the run's types cost nothing; in 8 bits little, and more than nothing.
    CHECK(sensitivity.total_cost(4, 2, 0, 2) < 1e-9);
    CHECK(sensitivity.total_cost(4, 2, rules, 2) > 1e-9);
    CHECK(sensitivity.total_cost(4, 2, rules, 2) < 0.1 * sensitivity.total_cost(4, 2, rules, 1));

    const std::string plan = (folder / "p.json").string();
    const CommandOutcome made = run_command({"plan", "--method", "sensitivity", "--sensitivity", prices, "--capture",
                                             small_capture(), "--bytes", "150000", "-o", plan});
    CAPTURE(made.err);
    REQUIRE(made.status == 0);
    const Plan mixed = read_plan(plan);
    CHECK(plan_totals(mixed).allocated_bytes <= 150000);
    CHECK(std::ranges::any_of(mixed.heads, [](const HeadBudget& head) { return head.quantisation.has_value(); }));
    CHECK(run_command({"replay", "--plan", plan, "--samples", "1", "-o", (folder / "r.json").string()}).status == 0);
    check_failure(run_command(pricing(folder / "t.h5", {"--elements", "int8,int8"})), ErrorCode::kUsage, "int8,int8");
  }

  TEST_CASE("what cannot be priced is refused in one line") {
    const testing::TemporaryFolder folder;
    check_failure(run_command({"sensitivity", "-o", (folder / "s.h5").string()}), ErrorCode::kUsage, "'capture'");
    const auto with_budgets = [&](const char* budgets) {
      return run_command({"sensitivity", "--capture", small_capture(), "--samples", "1", "--budgets", budgets, "-o",
                          (folder / "s.h5").string()});
    };
    check_failure(with_budgets("0"), ErrorCode::kUsage, "1 to 65");
    check_failure(with_budgets("66"), ErrorCode::kUsage, "1 to 65");
    check_failure(with_budgets("4,4"), ErrorCode::kUsage, "each once");
    check_failure(run_command({"sensitivity", "--capture", testing::repository_file("README.md").string(), "--samples",
                               "1", "-o", (folder / "s.h5").string()}),
                  ErrorCode::kBadInput, "README.md");
    CHECK_FALSE(std::filesystem::exists(folder / "s.h5"));
  }
}
