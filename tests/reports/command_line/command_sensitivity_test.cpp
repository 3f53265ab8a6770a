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
