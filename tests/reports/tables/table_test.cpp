#include "reports/tables/table.h"

#include "reports/tables/text_table.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <limits>

namespace kvscope {
namespace {

Table example() {
  Table table("Budgets", {{"plan", "Plan"},
                          {"bytes", "Cache", CellFormat::kBytes},
                          {"kept", "Kept", CellFormat::kPercent, 1},
                          {"kl", "KL, nats"}});
  table.add_row({"hack, \"50 %\"", 1536, 0.5, 0.1 + 0.2});
  table.add_row({"full", std::int64_t{1} << 30, 1.0, Cell()});
  return table;
}

TEST_SUITE("reports.tables") {
  TEST_CASE("a table is printed with aligned columns and no trailing spaces") {
    CHECK(text_table(example()) ==
          "Budgets\n"
          "Plan             Cache     Kept  KL, nats\n"
          "------------  --------  -------  --------\n"
          "hack, \"50 %\"  1.50 KiB   50.0 %       0.3\n"
          "full          1.00 GiB  100.0 %         -\n");
  }

  TEST_CASE("CSV holds exact values and quotes what needs it") {
    CHECK(csv_text(example()) ==
          "plan,bytes,kept,kl\n"
          "\"hack, \"\"50 %\"\"\",1536,0.5,0.30000000000000004\n"
          "full,1073741824,1,\n");
  }

  TEST_CASE("JSON keeps types and has null where there is nothing") {
    const Json json = to_json(example());
    CHECK(json[0]["bytes"] == 1536);
    CHECK(json[0]["kl"] == 0.1 + 0.2);
    CHECK(json[1]["kl"].is_null());
    CHECK(json[1]["plan"] == "full");
  }

  TEST_CASE("numbers that are none are shown as nothing") {
    Table table("", {{"x", ""}});
    table.add_row({std::numeric_limits<double>::quiet_NaN()});
    table.add_row({std::numeric_limits<double>::infinity()});
    CHECK(text_table(table) == "  x\n---\n  -\ninf\n");
    CHECK(to_json(table)[0]["x"].is_null());
    CHECK(to_json(table)[1]["x"].is_null());
  }

  TEST_CASE("control characters of names reach neither terminal nor line structure") {
    Table table("", {{"name", "name"}});
    table.add_row({"a\x1b[2Jb\nc"});
    CHECK(text_table(table) == "name\n--------\na [2Jb c\n");
  }

  TEST_CASE("text beyond ASCII is as wide as its code points") {
    CHECK(display_width("8 × 8") == 5);
  }

  TEST_CASE("a row of another length is refused") {
    Table table("", {{"x", ""}});
    testing::check_error(
        ErrorCode::kUsage,
        [&] {
          table.add_row({1, 2});
        },
        "one cell");
  }

  TEST_CASE("bytes change their unit where the printed figure would reach 1024") {
    CHECK(bytes_text(0) == "0 B");
    CHECK(bytes_text(1023) == "1023 B");
    CHECK(bytes_text(1024) == "1.00 KiB");
    CHECK(bytes_text(1024.0 * 1024.0 - 1) == "1.00 MiB");
  }
}

}  // namespace
}  // namespace kvscope
