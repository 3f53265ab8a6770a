#include "reports/atlas/report.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/inspection/file_kind.h"
#include "reports/tables/text_table.h"

#include <charconv>
#include <filesystem>
#include <string>
#include <vector>

namespace kvscope {
namespace {

using Words = std::vector<std::string>;

/// "9.29" as layer 9, head 29.
HeadPlace parse_head(std::string_view text) {
  HeadPlace place;
  const char* const end = text.data() + text.size();
  const auto layer = std::from_chars(text.data(), end, place.layer);
  if (layer.ec == std::errc() && layer.ptr != end && *layer.ptr == '.') {
    const auto head = std::from_chars(layer.ptr + 1, end, place.head);
    if (head.ec == std::errc() && head.ptr == end) return place;
  }
  throw usage_error("--open-first: '{}' is no head; expected LAYER.HEAD, as in 9.29", text);
}

std::vector<HeadPlace> parse_heads(std::string_view text) {
  std::vector<HeadPlace> heads;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    heads.push_back(parse_head(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return heads;
}

/// Other classifications and a comparison of methods share an option: the files say what they are.
void take_comparisons(const std::vector<std::filesystem::path>& given_paths, ReportPaths& paths) {
  for (const auto& path : given_paths) {
    if (file_kind(path) != FileKind::kCompare) {
      paths.comparisons.push_back(path);
    } else if (paths.compare.empty()) {
      paths.compare = path;
    } else {
      throw usage_error("--compare: {} is a second comparison of methods beside {}", path.string(),
                        paths.compare.string());
    }
  }
}

ReportPaths paths_option(const options::variables_map& values) {
  ReportPaths paths;
  paths.capture = path_option(values, "capture");
  paths.scores = path_option(values, "scores");
  paths.heads = path_option(values, "heads");
  paths.sensitivity = path_option(values, "sensitivity");
  paths.plans = path_list(values, "plan");
  paths.replays = path_list(values, "replay");
  take_comparisons(path_list(values, "compare"), paths);
  return paths;
}

CommandOptions report_options() {
  CommandOptions command{
      .name = "report",
      .positional = {},
      .description =
          "Writes a folder that opens offline: index.html, an interactive atlas of every head's "
          "attention with classes, "
          "scores, sensitivity, budgets, replay curves and images, and beside it pictures as SVG and PNG and "
          "tables as CSV. Sections whose input is not given are left out "
          "with a sentence. The same inputs give the same bytes."};
  command.visible.add_options()("capture", options::value<std::string>(), "capture.h5 of kvscope collect")(
      "scores", options::value<std::string>(), "scores.h5 of kvscope analyze")("heads", options::value<std::string>(),
                                                                               "heads.json of kvscope classify")(
      "sensitivity", options::value<std::string>(),
      "sensitivity.h5 of kvscope sensitivity: what every head loses with few tokens, and whether class and scores "
      "foretell it")("plan", options::value<Words>()->composing(),
                     "plan.json of kvscope plan; give it once for each plan")(
      "replay", options::value<Words>()->composing(), "replay.json of kvscope replay; give it once for each replay")(
      "output,o", options::value<std::string>()->default_value("report"),
      "folder; files of the same names are replaced")("open-first", options::value<std::string>()->default_value(""),
                                                      "heads whose maps come first, as LAYER.HEAD,...: 9.29,3.4")(
      "color-map", options::value<std::string>()->default_value(std::string(kDefaultColorMap)),
      "of attention maps and figures per head: viridis, magma, inferno, cividis, gray")(
      "compare", options::value<Words>()->composing(),
      "compare.json of kvscope compare; or another heads.json to hold --heads against, e.g. a published map: the file "
      "says "
      "which it is; may be given several times")(
      "max-size", options::value<double>()->default_value(15.0),
      "of index.html, MB (10^6 bytes): attention maps are pooled until it fits, and the page says so")(
      "json", "print what was written as JSON");
  return command;
}

}  // namespace

ExitStatus run_report(const CommandContext& context) {
  const auto values = parse_options(report_options(), context);
  if (!values) return 0;
  ReportOptions wishes;
  wishes.open_first = parse_heads((*values)["open-first"].as<std::string>());
  wishes.color_map = (*values)["color-map"].as<std::string>();
  const double max_size = (*values)["max-size"].as<double>();
  if (!(max_size > 0.0 && max_size <= 1e6)) throw usage_error("--max-size is {}, expected 0 to 1e6 MB", max_size);
  wishes.max_bytes = static_cast<std::int64_t>(1e6 * max_size);
  (void)color_map(wishes.color_map);  // an unknown one is refused before anything is read

  const ReportInputs inputs = read_report_inputs(paths_option(*values));
  const Report report = make_report(inputs, wishes);
  const std::filesystem::path folder = (*values)["output"].as<std::string>();
  report.folder.write(folder);

  const std::string page = (folder / "index.html").string();
  const auto page_bytes = static_cast<std::int64_t>(report.folder.files().at("index.html").size());
  const auto n_file = static_cast<std::int64_t>(report.folder.files().size());
  for (const std::string& warning : inputs.warnings) context.err << "kvscope report: " << warning << '\n';
  for (const std::string& sentence : report.left_out)
    context.err << fmt::format("kvscope report: --max-size {:g} MB: {}\n", max_size, sentence);
  if (given(*values, "json")) {
    context.out << Json{{"page", page},
                        {"page_bytes", page_bytes},
                        {"files", n_file},
                        {"bytes", report.folder.total_bytes()},
                        {"sections", report.complete_sections},
                        {"incomplete_sections", report.incomplete_sections},
                        {"left_out", report.left_out},
                        {"warnings", inputs.warnings}}
                       .dump(2)
                << '\n';
    return 0;
  }
  for (const std::string& section : report.incomplete_sections)
    context.err << "kvscope report: section '" << section << "' lacks an input\n";
  context.out << fmt::format("{}  ({}; {} files, {})\n", page, bytes_text(static_cast<double>(page_bytes)), n_file,
                             bytes_text(static_cast<double>(report.folder.total_bytes())));
  return 0;
}

}  // namespace kvscope
