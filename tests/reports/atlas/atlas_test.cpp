#include "collectors/base/file.h"
#include "reports/atlas/atlas_heads.h"
#include "reports/atlas/encoding.h"
#include "reports/atlas/report.h"
#include "reports/atlas/synthetic_run.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace kvscope {
namespace {

using testing::TemporaryFolder;
using testing::write_synthetic_run;

const std::string& page_of(const Report& report) {
  return report.folder.files().at("index.html");
}

/// The JSON inside <script id="...">.
Json script_of(const std::string& page, const std::string& id) {
  const std::string start = fmt::format("id=\"{}\">", id);
  const std::size_t from = page.find(start) + start.size();
  REQUIRE(from >= start.size());
  return parse_json(page.substr(from, page.find("</script>", from) - from), id);
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST_SUITE("reports.atlas") {
  TEST_CASE("the page holds every head and what all of them share") {
    const TemporaryFolder folder;
    const ReportInputs inputs = read_report_inputs(write_synthetic_run(folder.path()));
    const Report report = make_report(inputs, {});
    const Json data = script_of(page_of(report), "atlas-data");
    CHECK(data["version"] == 1);
    CHECK(data["steps"].size() == 4);
    CHECK(data["steps"][3]["keys"] == 30);
    CHECK(data["steps"][3]["sources"][2]["offset"] == 5);
    CHECK(data["classes"]["letters"] == "CSCSCSCS");
    CHECK(data["plans"].size() == 3);
    // Priced at 1, 4 and 12 tokens, and a quarter of the 14 that the last scale finds.
    REQUIRE(data["sensitivity"]["points"].size() == 4);
    CHECK(data["sensitivity"]["points"][1]["tokens"] == 3.5);
    CHECK(data["sensitivity"]["points"][3]["rule"] == std::vector<int>(8, 1));
    CHECK(data["palettes"]["gray"].get<std::string>().substr(0, 12) == "000000010101");
    CHECK(data["attention"]["left_out"].empty());
    CHECK(report.left_out.empty());
    for (int head = 0; head < 8; ++head) {
      const Json payload = script_of(page_of(report), fmt::format("head-data-{}", head));
      CHECK(payload["raw"].size() == 2);  // branches
      CHECK(payload["raw"][0].size() == 4);
      CHECK(payload["columns"].size() == 4);
      CHECK(payload["similar"]["columns"].size() == 6);
    }
  }

  TEST_CASE("a stored map decodes to the captured weights") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const AtlasHeads heads = atlas_heads(read_report_inputs(paths), 100'000'000);
    const Capture capture = Capture::open(paths.capture);
    const Array<float> map = capture.read_map(1, 2, 3, 0, 1);
    const Json payload = parse_json(heads.payloads[6], "payload");
    CHECK(payload["raw"][1][3] == WeightCodes(16).base64_of(map.values()));
    CHECK(heads.header["raw_shapes"][3] == Json::array({16, 30}));
  }

  TEST_CASE("every rung of the ladder is smaller and estimates are from above") {
    const TemporaryFolder folder;
    const ReportInputs inputs = read_report_inputs(write_synthetic_run(folder.path()));
    std::int64_t before = INT64_MAX;
    for (const AtlasDetail& detail : detail_ladder(2)) {
      const std::int64_t estimate = payload_bytes(inputs, detail);
      CAPTURE(detail.map_side);
      CHECK(estimate <= before);
      before = estimate;
      const AtlasHeads heads = atlas_heads(inputs, estimate);
      std::int64_t bytes = 0;
      for (const std::string& payload : heads.payloads) bytes += static_cast<std::int64_t>(payload.size()) + 80;
      CHECK(bytes <= estimate);
    }
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)atlas_heads(inputs, 100); }, "--max-size");
  }

  TEST_CASE("a page that has to be small is and says what it left out") {
    const TemporaryFolder folder;
    const ReportInputs inputs = read_report_inputs(write_synthetic_run(folder.path()));
    ReportOptions options;
    const auto full = static_cast<std::int64_t>(page_of(make_report(inputs, options)).size());
    options.max_bytes = full - 20'000;
    const Report report = make_report(inputs, options);
    CHECK(static_cast<std::int64_t>(page_of(report).size()) <= options.max_bytes);
    REQUIRE_FALSE(report.left_out.empty());
    CHECK(script_of(page_of(report), "atlas-data")["attention"]["left_out"] == Json(report.left_out));
  }

  TEST_CASE("pooling is the mean of the cells") {
    const HeadMap map{{1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, 3, 0};
    const HeadMap small = pooled(map, 2);
    CHECK(small.rows == 2);
    CHECK(small.weights == std::vector<float>{1.0F, 2.5F, 5.5F, 7.0F});
    CHECK(pooled(map, 0).weights == map.weights);
    CHECK(pooled(map, 3).weights == map.weights);
  }

  TEST_CASE("names from files cannot leave the data of the scripts") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    ReportPaths few;
    few.heads = paths.heads;
    few.plans = {folder / "<!--<script>&'\".plan.json"};
    std::filesystem::copy_file(paths.plans[1], few.plans[0]);
    std::filesystem::create_directory(folder / "a<");
    few.comparisons = {folder / "a<" / "script>.json"};
    std::filesystem::copy_file(paths.heads, few.comparisons[0]);
    Json plan = parse_json(read_text_file(few.plans[0]), "plan");
    plan["notes"] = {"</script><script>document.title='hostile'</script>"};
    write_json_file(few.plans[0], plan);
    const Report report = make_report(read_report_inputs(few), {});
    const std::string& page = page_of(report);
    CHECK(occurrences(page, "<script") == occurrences(page, "</script>"));
    CHECK(occurrences(page, "</script><script>") == 0);
    CHECK(script_of(page, "atlas-data")["plans"][0]["name"] == "<!--<script>&'\"");
    CHECK(script_of(page, "atlas-data")["comparisons"][0]["agreement"] == 1.0);
  }

  TEST_CASE("a comparison needs a classification of the same heads") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    ReportPaths alone;
    alone.comparisons = {paths.heads};
    alone.capture = paths.capture;
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)read_report_inputs(alone); }, "--compare", "--heads");
    ReportPaths other = paths;
    other.comparisons = {testing::repository_file("datasets/published_heads/var_d30_100.json")};
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_report_inputs(other); }, "var_d30_100.json");
  }
}

}  // namespace
}  // namespace kvscope
