#include "reports/atlas/report.h"

#include "collectors/base/file.h"
#include "collectors/base/hash.h"
#include "reports/atlas/synthetic_run.h"
#include "reports/command_line/command.h"
#include "reports/pictures/attention_picture.h"
#include "reports/pictures/png.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/well_formed.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>

namespace kvscope {
namespace {

using testing::TemporaryFolder;
using testing::write_synthetic_run;

Report report_of(const ReportPaths& paths, const ReportOptions& options = {}) {
  return make_report(read_report_inputs(paths), options);
}

const std::string& page_of(const Report& report) {
  return report.folder.files().at("index.html");
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_SUITE("reports.report") {
  TEST_CASE("a whole run gives every section and well-formed files") {
    const TemporaryFolder folder;
    const Report report = report_of(write_synthetic_run(folder.path()));
    CHECK(report.incomplete_sections.empty());
    const std::string& page = page_of(report);
    CHECK(testing::markup_fault(page, testing::Markup::kHtml) == "");
    for (const char* id : {"summary", "heads", "scores", "sensitivity", "maps", "budgets", "replay", "images",
                           "compare", "provenance"}) {
      CAPTURE(id);
      CHECK(contains(page, fmt::format("<section id=\"{}\"", id)));
      CHECK(contains(page, fmt::format("href=\"#{}\"", id)));
    }
    for (const auto& [path, content] : report.folder.files()) {
      CAPTURE(path);
      if (path.ends_with(".svg")) CHECK(testing::markup_fault(content, testing::Markup::kXml) == "");
      if (path.ends_with(".png")) CHECK_NOTHROW((void)image_from_png(content, path));
    }
  }

  TEST_CASE("the page needs no network") {
    const TemporaryFolder folder;
    const Report report = report_of(write_synthetic_run(folder.path()));
    const std::string& page = page_of(report);
    CHECK_FALSE(contains(page, "<script src"));
    CHECK_FALSE(contains(page, "src=\"http"));
    CHECK_FALSE(contains(page, "href=\"http"));
    CHECK_FALSE(contains(page, "url("));
    CHECK_FALSE(contains(page, "@import"));
  }

  TEST_CASE("every link leads to a file of the report or a place on the page") {
    const TemporaryFolder folder;
    const Report report = report_of(write_synthetic_run(folder.path()));
    const std::string& page = page_of(report);
    std::size_t n_link = 0;
    for (std::size_t at = page.find("<a "); at != std::string::npos; at = page.find("<a ", at + 1)) {
      const std::size_t start = page.find("href=\"", at) + 6;
      const std::string target = page.substr(start, page.find('"', start) - start);
      CAPTURE(target);
      CHECK((target.starts_with('#') ? contains(page, fmt::format("id=\"{}\"", target.substr(1)))
                                     : report.folder.files().contains(target)));
      ++n_link;
    }
    CHECK(n_link > 20);
  }

  TEST_CASE("the same inputs give the same bytes") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    CHECK(report_of(paths).folder.files() == report_of(paths).folder.files());
  }

  TEST_CASE("a map's PNG file has the colours of the captured weights") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const Report report = report_of(paths);
    const Capture capture = Capture::open(paths.capture);
    const auto image = std::get<IndexedImage>(
        image_from_png(report.folder.files().at("pictures/layer_00_head_01_step_03.png"), "map"));
    const Array<float> map = capture.read_map(0, 1, 3, 0, 0);
    REQUIRE(image.height == map.extent(0));
    REQUIRE(image.width == map.extent(1));
    for (std::int64_t i = 0; i < map.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const float multiple = map.values()[at] * static_cast<float>(capture.steps().n_key(3));
      CHECK(image.pixels[at] == attention_scale().level(multiple));
    }
  }

  TEST_CASE("tables hold the figures of plans and replays") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const ReportInputs inputs = read_report_inputs(paths);
    const Report report = make_report(inputs, {});
    const std::string& plans = report.folder.files().at("tables/plans.csv");
    for (const NamedPlan& plan : inputs.plans) {
      CHECK(contains(plans, fmt::format("{},{},", plan.name, plan.plan.method)));
      CHECK(contains(plans, fmt::format(",{},", plan.totals.allocated_bytes)));
    }
    CHECK(contains(report.folder.files().at("tables/kl_by_scale.csv"), "hack-60,2,0.3,"));
    CHECK(contains(page_of(report), "hack-30: by scale, layer, class and head"));
  }

  TEST_CASE("provenance names every input with its hash") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const Report report = report_of(paths);
    for (const auto& path : {paths.capture, paths.scores, paths.heads, paths.plans[1], paths.replays[2]}) {
      CHECK(contains(page_of(report), path.string()));
      CHECK(contains(page_of(report), sha256_of_file(path)));
    }
    CHECK(contains(page_of(report), "method <code>hack</code>, parameters <code>{"));
    CHECK(contains(page_of(report), fmt::format("from capture <code>{}</code>", sha256_of_file(paths.capture))));
  }

  TEST_CASE("missing inputs leave a sentence that names the option") {
    const TemporaryFolder folder;
    const ReportPaths all = write_synthetic_run(folder.path());
    ReportPaths only_capture;
    only_capture.capture = all.capture;
    const Report report = report_of(only_capture);
    for (const char* option : {"--scores", "--heads", "--sensitivity", "--plan", "--replay", "--compare"})
      CHECK(contains(page_of(report), option));
    CHECK(testing::markup_fault(page_of(report), testing::Markup::kHtml) == "");
    CHECK(report.incomplete_sections.size() == 8);

    ReportPaths only_heads;
    only_heads.heads = all.heads;
    CHECK(contains(page_of(report_of(only_heads)), "--capture"));
    ReportPaths only_replay;
    only_replay.replays = {all.replays[1]};
    CHECK(contains(page_of(report_of(only_replay)), "hack-30"));
    testing::check_error(
        ErrorCode::kUsage, [] { (void)read_report_inputs({}); }, "nothing to report");
  }

  TEST_CASE("replay images that were moved away leave a sentence") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    for (const char* name : {"lossless", "hack-30", "hack-60"})
      std::filesystem::remove(folder / fmt::format("{}.replay.h5", name));
    const Report report = report_of(paths);
    CHECK(contains(page_of(report), "kvscope replay --images"));
    CHECK(report.incomplete_sections == std::vector<std::string>{"images"});
  }

  TEST_CASE("hostile names become text") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const auto hostile = folder / "<script>alert(1)<\x1b\xff&\".plan.json";
    std::filesystem::copy_file(paths.plans[1], hostile);
    Json heads = parse_json(read_text_file(paths.heads), "heads");
    heads["method"] = "<img src=x onerror=alert(1)>";
    heads["stability"] = {{"</details><script>", "</code><script>alert(1)</script>"}};
    write_json_file(paths.heads, heads);
    ReportPaths few;
    few.heads = paths.heads;
    few.plans = {hostile};
    const Report report = report_of(few);
    const std::string& page = page_of(report);
    CHECK_FALSE(contains(page, "<script>alert"));
    CHECK_FALSE(contains(page, "</code><script"));
    CHECK_FALSE(contains(page, "<img src=x"));
    CHECK(contains(page, "&lt;script&gt;alert(1)"));
    CHECK(testing::markup_fault(page, testing::Markup::kHtml) == "");
    for (const auto& [path, content] : report.folder.files()) {
      CAPTURE(path);
      CHECK(path.find_first_of("<>&\"\x1b\xff") == std::string::npos);
      if (path.ends_with(".svg")) CHECK(testing::markup_fault(content, testing::Markup::kXml) == "");
    }
  }

  TEST_CASE("files of different models are refused") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    Json plan = parse_json(read_text_file(paths.plans[1]), "plan");
    plan["model"]["fingerprint"] = "of another model";
    write_json_file(paths.plans[1], plan);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_report_inputs(paths); }, "hack-30.plan.json");
  }

  TEST_CASE("a sensitivity of another model is refused and the command says so in a line") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    Sensitivity sensitivity = read_sensitivity(paths.sensitivity);
    sensitivity.model.fingerprint = "of another model";
    write_sensitivity(paths.sensitivity, sensitivity);
    testing::check_error(
        ErrorCode::kBadInput, [&] { (void)read_report_inputs(paths); }, "sensitivity.h5", "of another model");
    std::ostringstream out;
    std::ostringstream err;
    const std::vector<std::string> words = {"report",
                                            "--heads",
                                            paths.heads.string(),
                                            "--sensitivity",
                                            paths.sensitivity.string(),
                                            "-o",
                                            (folder / "out").string()};
    CHECK(run_command_line(words, out, err) == 3);
    const std::string said = err.str();
    CHECK(std::count(said.begin(), said.end(), '\n') == 1);
    CHECK(contains(said, "sensitivity.h5"));
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
  }

  TEST_CASE("the sensitivity section says whether the class foretells what heads lose") {
    const TemporaryFolder folder;
    ReportPaths paths = write_synthetic_run(folder.path());
    const Report report = report_of(paths);
    CHECK(contains(page_of(report), "a structural head is above a contextual one in 1.00"));
    CHECK(contains(page_of(report), "Structural heads are the more sensitive ones"));
    const std::string& contrasts = report.folder.files().at("tables/class_contrasts.csv");
    CHECK(contains(contrasts, "\nSensitivity at 1 token,4,"));
    CHECK(report.folder.files().contains("pictures/head_correlation.svg"));

    // The most variable heads cost least.
    Sensitivity sensitivity = read_sensitivity(paths.sensitivity);
    for (double& cost : sensitivity.cost.values()) cost = cost > 0.0 ? 0.0001 / cost : 0.0;
    write_sensitivity(paths.sensitivity, sensitivity);
    CHECK(contains(page_of(report_of(paths)), "Contextual heads are the more sensitive ones"));
    for (double& cost : sensitivity.cost.values()) cost = cost > 0.0 ? 0.5 : 0.0;
    write_sensitivity(paths.sensitivity, sensitivity);
    CHECK(contains(page_of(report_of(paths)), "The class does not tell which heads are sensitive"));

    paths.heads.clear();
    paths.scores.clear();
    const std::string page = page_of(report_of(paths));
    CHECK(contains(page, "so the classes are not compared: --heads names one"));
    CHECK(contains(page, "so none is held against the sensitivity: --scores"));
    CHECK(testing::markup_fault(page, testing::Markup::kHtml) == "");
  }

  TEST_CASE("inputs made from other files are said to be so") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    CHECK(read_report_inputs(paths).warnings.empty());
    Json heads = parse_json(read_text_file(paths.heads), "heads");
    heads["made_from"]["capture"]["sha256"] = "0123";
    write_json_file(paths.heads, heads);
    const ReportInputs inputs = read_report_inputs(paths);
    REQUIRE(inputs.warnings.size() == 1);
    CHECK(contains(inputs.warnings[0], "heads.json"));
    CHECK(contains(inputs.warnings[0], "0123"));
    CHECK(contains(page_of(make_report(inputs, {})), "was made from another capture"));
  }

  TEST_CASE("a classifier that doubts its split is quoted") {
    const TemporaryFolder folder;
    ReportPaths paths;
    paths.heads = write_synthetic_run(folder.path()).heads;
    CHECK_FALSE(contains(page_of(report_of(paths)), "arbitrary"));
    Json heads = parse_json(read_text_file(paths.heads), "heads");
    heads["stability"]["split"] = {{"threshold", 0.0123}, {"separation", "none"}};
    write_json_file(paths.heads, heads);
    CHECK(contains(page_of(report_of(paths)), "where they are split is arbitrary"));
    CHECK(contains(page_of(report_of(paths)), "split at 0.0123"));
  }

  TEST_CASE("a comparison of methods is told from a classification and comes but once") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    const auto status_of = [&](const std::vector<std::string>& more, std::string& said) {
      std::vector<std::string> words = {"report", "-o", (folder / "out").string()};
      words.insert(words.end(), more.begin(), more.end());
      std::ostringstream out;
      std::ostringstream err;
      const int status = run_command_line(words, out, err);
      said = err.str();
      return status;
    };
    std::string said;
    CHECK(status_of({"--compare", paths.compare.string()}, said) == 0);
    const std::string page = read_text_file(folder / "out" / "index.html");
    CHECK(contains(page, "id=\"compare-heading\""));
    CHECK(contains(page, "worse: 2 ("));
    CHECK(testing::markup_fault(page, testing::Markup::kHtml) == "");
    CHECK(contains(read_text_file(folder / "out" / "tables" / "method_kl.csv"), "hack@random,0.25,7984,0.15"));
    CHECK(status_of({"--compare", paths.compare.string(), "--compare", paths.compare.string()}, said) == 2);
    CHECK(contains(said, "second comparison"));
    CHECK(status_of({"--scores", paths.scores.string(), "--compare", paths.heads.string()}, said) == 2);
    CHECK(contains(said, "give --heads"));

    Json compare = parse_json(read_text_file(paths.compare), "compare");
    compare["model"]["fingerprint"] = "of another model";
    write_json_file(paths.compare, compare);
    CHECK(status_of({"--heads", paths.heads.string(), "--compare", paths.compare.string()}, said) == 3);
    CHECK(std::count(said.begin(), said.end(), '\n') == 1);
    CHECK(contains(said, "compare.json"));
  }

  TEST_CASE("an unfinished comparison and seen samples are said to be so") {
    const TemporaryFolder folder;
    ReportPaths paths;
    paths.compare = write_synthetic_run(folder.path()).compare;
    CHECK_FALSE(contains(page_of(report_of(paths)), "unfinished"));
    CompareResult result = read_compare(paths.compare);
    result.complete = false;
    result.seen = true;
    result.differences.clear();
    result.cells.resize(3);
    write_compare(paths.compare, result);
    const std::string page = page_of(report_of(paths));
    CHECK(contains(page, "The comparison is unfinished"));
    CHECK(contains(page, "--allow-seen"));
    result.cells.clear();
    result.pareto.clear();
    write_compare(paths.compare, result);
    CHECK(testing::markup_fault(page_of(report_of(paths)), testing::Markup::kHtml) == "");
  }

  TEST_CASE("heads to open come first and must exist") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    ReportOptions options;
    options.open_first = {{1, 2}};
    const std::string page = page_of(report_of(paths, options));
    CHECK(page.find("Chosen heads") < page.find("id=\"head-1-2\""));
    CHECK(page.find("id=\"head-1-2\"") < page.find("Most typical contextual heads"));
    options.open_first = {{2, 0}};
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)report_of(paths, options); }, "--open-first", "layer 2");
  }

  TEST_CASE("plans of the same file name are told apart") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    std::filesystem::create_directory(folder / "other");
    std::filesystem::copy_file(paths.plans[1], folder / "other" / "hack-30.plan.json");
    ReportPaths two;
    two.plans = {paths.plans[1], folder / "other" / "hack-30.plan.json"};
    const ReportInputs inputs = read_report_inputs(two);
    CHECK(inputs.plans[0].name == "hack-30");
    CHECK(inputs.plans[1].name == "hack-30 (2)");
    CHECK(run_name("a/b/c.json") == "c");
  }

  TEST_CASE("the command writes the folder and says so") {
    const TemporaryFolder folder;
    const ReportPaths paths = write_synthetic_run(folder.path());
    std::ostringstream out;
    std::ostringstream err;
    const auto target = folder / "out";
    const std::vector<std::string> words = {"report",
                                            "--capture",
                                            paths.capture.string(),
                                            "--scores",
                                            paths.scores.string(),
                                            "--heads",
                                            paths.heads.string(),
                                            "--sensitivity",
                                            paths.sensitivity.string(),
                                            "--compare",
                                            paths.compare.string(),
                                            "--compare",
                                            paths.heads.string(),
                                            "--plan",
                                            paths.plans[0].string(),
                                            "--plan",
                                            paths.plans[2].string(),
                                            "--replay",
                                            paths.replays[2].string(),
                                            "-o",
                                            target.string(),
                                            "--open-first",
                                            "1.3,0.0",
                                            "--json"};
    CHECK(run_command_line(words, out, err) == 0);
    CAPTURE(err.str());
    const Json json = parse_json(out.str(), "stdout");
    CHECK(json["incomplete_sections"].empty());
    CHECK(json["page_bytes"] == std::filesystem::file_size(target / "index.html"));
    CHECK(std::filesystem::exists(target / "pictures" / "class_map.svg"));
    CHECK(std::filesystem::exists(target / "tables" / "plans.csv"));
  }

  TEST_CASE("wrong command lines are usage errors and write nothing") {
    const TemporaryFolder folder;
    for (const std::vector<std::string>& words : {std::vector<std::string>{"report"},
                                                  {"report", "--open-first", "9-29"},
                                                  {"report", "--open-first", "x.1"},
                                                  {"report", "--color-map", "jet"},
                                                  {"report", "--bogus"}}) {
      std::ostringstream out;
      std::ostringstream err;
      CHECK(run_command_line(words, out, err) == 2);
      CHECK(out.str().empty());
      CHECK_FALSE(err.str().empty());
    }
    std::ostringstream out;
    std::ostringstream err;
    const std::vector<std::string> missing = {"report", "--capture", (folder / "none.h5").string(), "-o",
                                              (folder / "out").string()};
    CHECK(run_command_line(missing, out, err) == 3);
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
  }
}

}  // namespace
}  // namespace kvscope
