#include "collectors/base/interrupt.h"
#include "collectors/base/progress.h"
#include "collectors/base/stopwatch.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/export/exporter.h"
#include "reports/tables/table.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

namespace kvscope {
namespace {

using Words = std::vector<std::string>;

std::string description() {
  std::string text =
      "Writes pictures and their numbers as files, one per selection and format, and beside each NAME.json, from which "
      "--from makes the same bytes again. Maps as PNG have one pixel per weight and a palette of 256 colours; SVG has "
      "axes and text as text.\n\nViews:";
  for (const ExportView& view : export_views()) text += fmt::format("\n  {:<13} {}", view.name, view.summary);
  return text +
         "\n\nExamples:\n"
         "  kvscope export --view map --capture capture.h5 --layers 0-3,5 --heads 2,5 --steps last --format svg,png\n"
         "  kvscope export --view scores --scores scores.h5 --only column_variance,entropy --format svg,csv\n"
         "  kvscope export --view fold --capture capture.h5 --layers 5 --heads 2 --query 3,4 --format svg,csv\n"
         "  kvscope export --view difference --capture capture.h5 --replay hack-50.replay.json --layers 5\n"
         "  kvscope export --figure paper --capture capture.h5 --heads heads.json --format svg,pdf\n"
         "  kvscope export --from export/paper.json";
}

CommandOptions export_options() {
  CommandOptions command{.name = "export", .positional = {}, .description = description()};
  const auto text = [] { return options::value<std::string>(); };
  // clang-format off
  command.visible.add_options()
      ("view", text(), "what to show, one of the views above")
      ("figure", text(), "a figure laid out for print: paper (7 inches wide; the clearest two heads of each class, two samples, the last three scales, unless named)")
      ("from", text()->value_name("NAME.json"), "repeat an export: check its inputs' hashes, make its files again, check that they have the same bytes")
      ("capture", text(), "capture.h5 of kvscope collect")
      ("scores", text(), "scores.h5 of kvscope analyze; without it they are computed from --capture")
      ("heads", options::value<Words>()->composing()->value_name("LIST|heads.json"), "heads to show, from 0, e.g. 0-3,5; or the classification of kvscope classify; give it twice for both; default: all heads")
      ("sensitivity", text(), "sensitivity.h5 of kvscope sensitivity")
      ("plan", options::value<Words>()->composing(), "plan.json of kvscope plan; give it once for each plan; replays are named after theirs")
      ("replay", options::value<Words>()->composing(), "replay.json of kvscope replay; give it once for each replay")
      ("compare", text(), "compare.json of kvscope compare")
      ("layers", text()->default_value("all"), "layers to show, from 0, e.g. 0-3,5; or all")
      ("steps", text()->value_name("LIST"), "scales of the queries, from 0, e.g. 2-4; or last, or all; default: last (paper: the last three)")
      ("samples", text()->value_name("LIST"), "samples, from 0, or all; default: 0 for single maps, the first two for paper, the first ten for images, all for bands")
      ("branches", text()->value_name("LIST"), "branches of guidance, e.g. conditional,unconditional, or all; default: the first")
      ("only", text()->value_name("LIST"), "parts of a view by name: scores; parts of classes, sensitivity, correlation, budgets, replay, pareto and compare; measures of similar; replays of fold, kept, restricted, difference and images; default: all of them")
      ("query", options::value<Words>()->composing()->value_name("ROW,COLUMN"), "query that a fold is of, from 0 in the grid of its scale (video: FRAME,ROW,COLUMN); may be given several times; default: the middle one")
      ("key", options::value<Words>()->composing()->value_name("STEP,ROW,COLUMN"), "key that a fold is of: which queries look at it; may be given several times")
      ("over", text()->value_name("image|none"), "what a fold is painted over; default: the generated image, where the capture has it")
      ("contextual", text()->value_name("LIST"), "heads on the left of the paper figure, as LAYER.HEAD,...")
      ("structural", text()->value_name("LIST"), "heads on its right")
      ("format", text()->default_value("svg,png"), "files to write: svg, png, pdf (needs rsvg-convert), csv, npy, npz")
      ("color-map", text()->default_value(std::string(kDefaultColorMap)), "viridis, magma, inferno, cividis, gray")
      ("scaling", text()->default_value("log"), "from numbers to colours: linear, log (with a floor), quantile; maps over heads have their own unless it is given")
      ("range", text()->value_name("LOW:HIGH|map"), "fixed range of the colours, in the unit; or map: each map's own (log: from a thousandth of its largest value); default for attention maps: 0.1:100 log, 0:10 linear (weights: 0.0001:1, 0:1); quantile: always map")
      ("unit", text()->default_value("multiples"), "of attention: multiples (of uniform attention, 1/T), weights")
      ("output-dir,o", text()->default_value("export"), "folder; with --from the sidecar's own unless given")
      ("force", "replace files that exist")
      ("json", "print what was written as JSON");
  // clang-format on
  return command;
}

/// A list of numbers as parse_number_list() reads it, and not a file name.
bool is_number_list(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789,-") == std::string_view::npos;
}

std::optional<std::vector<int>> number_list(const options::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  const auto& text = values[name].as<std::string>();
  if (text == "all") return std::nullopt;
  return parse_number_list(text, name);
}

std::optional<Words> word_list(const options::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  std::string_view text = values[name].as<std::string>();
  Words words;
  while (true) {
    const std::size_t comma = text.find(',');
    words.emplace_back(text.substr(0, comma));
    if (words.back().empty())
      throw usage_error("--{}: there is an empty name in '{}'", name, values[name].as<std::string>());
    if (comma == std::string_view::npos) return words;
    text.remove_prefix(comma + 1);
  }
}

/// --heads names files and lists of numbers alike.
void take_heads(const options::variables_map& values, ExportRequest& request) {
  if (values.count("heads") == 0) return;
  for (const std::string& word : values["heads"].as<Words>()) {
    if (word == "all") continue;
    if (is_number_list(word)) {
      if (request.selection.heads) throw usage_error("--heads: '{}' is a second list of heads", word);
      request.selection.heads = parse_number_list(word, "heads");
    } else {
      if (!request.paths.heads.empty()) throw usage_error("--heads: '{}' is a second classification", word);
      request.paths.heads = word;
    }
  }
}

double parse_bound(std::string_view text, std::string_view whole) {
  double value = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) {
    throw usage_error("--range: '{}' is no range; expected LOW:HIGH, as in 0.1:100, or map", whole);
  }
  return value;
}

ExportColors colors_option(const options::variables_map& values) {
  ExportColors colors;
  colors.map = values["color-map"].as<std::string>();
  (void)color_map(colors.map);  // an unknown one is refused before anything is read
  colors.unit = attention_unit_from_name(values["unit"].as<std::string>());
  colors.scaling.kind = scaling_from_name(values["scaling"].as<std::string>());
  colors.kind_given = given(values, "scaling");
  colors.scaling.fixed = usual_range(colors.unit, colors.scaling.kind);
  if (values.count("range") == 0) return colors;
  colors.range_given = true;
  const std::string text = values["range"].as<std::string>();
  if (text == "map") {
    colors.scaling.fixed.reset();
    return colors;
  }
  const std::size_t colon = text.find(':');
  colors.scaling.fixed = ValueRange{
      parse_bound(std::string_view(text).substr(0, colon), text),
      colon == std::string::npos ? parse_bound("", text) : parse_bound(std::string_view(text).substr(colon + 1), text)};
  if (colors.scaling.fixed->low >= colors.scaling.fixed->high) {
    throw usage_error("--range: {} has to rise", text);
  }
  if (colors.scaling.kind == ValueScale::Kind::kLogarithmic && colors.scaling.fixed->low <= 0.0 && colors.kind_given) {
    throw usage_error("--range: {} begins at or below zero, where no logarithm is", text);
  }
  // Whether another scaling than the one asked for allows the range is for the view to say.
  if (colors.kind_given) (void)value_scale(colors.scaling, {});
  return colors;
}

const StepTable& steps_of(const ReportInputs& inputs) {
  const StepTable* steps = inputs.steps();
  if (steps == nullptr) throw usage_error("--steps: this view has no steps");
  return *steps;
}

/// "last", "all" or numbers; absent: the view's own choice.
std::optional<std::vector<int>> step_list(const options::variables_map& values, const ReportInputs& inputs) {
  if (values.count("steps") == 0) return std::nullopt;
  const auto& text = values["steps"].as<std::string>();
  if (text != "last" && text != "all") return parse_number_list(text, "steps");
  const int count = steps_of(inputs).size();
  std::vector<int> steps;
  for (int step = text == "all" ? 0 : count - 1; step < count; ++step) steps.push_back(step);
  return steps;
}

/// What the words "all" stand for depends on the inputs.
void take_selection(const options::variables_map& values, const ReportInputs& inputs, ExportRequest& request) {
  ExportSelection& selection = request.selection;
  selection.layers = number_list(values, "layers");
  selection.steps = step_list(values, inputs);
  selection.samples = number_list(values, "samples");
  if (values.count("samples") != 0 && !selection.samples) {
    selection.samples.emplace(static_cast<std::size_t>(sample_count(export_view(request.view), inputs)));
    std::iota(selection.samples->begin(), selection.samples->end(), 0);
  }
  selection.branches = word_list(values, "branches");
  if (selection.branches == Words{"all"} && inputs.model() != nullptr) selection.branches = inputs.model()->branches;
  selection.only = word_list(values, "only");
  selection.contextual = word_list(values, "contextual");
  selection.structural = word_list(values, "structural");
  if (values.count("query") != 0) selection.queries = values["query"].as<Words>();
  if (values.count("key") != 0) selection.keys = values["key"].as<Words>();
  if (values.count("over") != 0) selection.over = values["over"].as<std::string>();
}

std::string view_option(const options::variables_map& values) {
  if (values.count("figure") != 0) {
    if (values.count("view") != 0) throw usage_error("--view and --figure name two things; give one");
    const auto& figure = values["figure"].as<std::string>();
    if (figure != "paper") throw usage_error("there is no figure '{}'; there is: paper", figure);
    return figure;
  }
  if (values.count("view") == 0)
    throw usage_error("name what to export with --view, --figure or --from; kvscope export --help lists the views");
  return values["view"].as<std::string>();
}

void print(const std::vector<ExportedItem>& items, const std::string& view, const std::filesystem::path& folder,
           bool json, const CommandContext& context) {
  std::int64_t bytes = 0;
  std::int64_t n_file = 0;
  Json list = Json::array();
  for (const ExportedItem& item : items) {
    Json files = Json::array();
    for (const ExportedFile& file : item.files) {
      files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
      bytes += file.bytes;
      ++n_file;
      if (!json) context.out << (folder / file.name).string() << '\n';
    }
    list.push_back({{"name", item.name}, {"sidecar", item.sidecar.filename().string()}, {"files", std::move(files)}});
  }
  if (json) {
    context.out << Json{{"view", view},
                        {"folder", folder.string()},
                        {"items", items.size()},
                        {"bytes", bytes},
                        {"exports", std::move(list)}}
                       .dump(2)
                << '\n';
  } else {
    context.err << fmt::format("{} of view {}: {} files, {}, each with a sidecar .json\n", items.size(), view, n_file,
                               bytes_text(static_cast<double>(bytes)));
  }
}

ExitStatus repeat(const options::variables_map& values, const CommandContext& context) {
  for (const char* other :
       {"view", "figure", "capture", "scores", "heads", "sensitivity", "plan", "replay", "compare"}) {
    if (values.count(other) != 0) throw usage_error("--from knows its view and inputs; --{} cannot be given", other);
  }
  const std::filesystem::path sidecar = values["from"].as<std::string>();
  const std::filesystem::path folder =
      given(values, "output-dir") ? path_option(values, "output-dir") : sidecar.parent_path();
  const ExportedItem item = repeat_export(sidecar, {folder, given(values, "force"), {}});
  print({item}, read_export_record(sidecar).request.view, folder, given(values, "json"), context);
  context.err << "kvscope export: the same bytes as recorded\n";
  return 0;
}

}  // namespace

ExitStatus run_export(const CommandContext& context) {
  const auto values = parse_options(export_options(), context);
  if (!values) return 0;
  if (values->count("from") != 0) return repeat(*values, context);
  ExportRequest request;
  request.view = view_option(*values);
  const ExportView& view = export_view(request.view);
  request.formats = parse_formats((*values)["format"].as<std::string>());
  request.colors = colors_option(*values);
  take_heads(*values, request);
  request.paths.capture = path_option(*values, "capture");
  request.paths.scores = path_option(*values, "scores");
  request.paths.sensitivity = path_option(*values, "sensitivity");
  request.paths.plans = path_list(*values, "plan");
  request.paths.replays = path_list(*values, "replay");
  request.paths.compare = path_option(*values, "compare");
  request.paths = needed_paths(view, request.paths);
  const ReportInputs inputs = read_report_inputs(request.paths);
  for (const std::string& warning : inputs.warnings) context.err << "kvscope export: " << warning << '\n';
  take_selection(*values, inputs, request);

  const std::filesystem::path folder = path_option(*values, "output-dir");
  catch_interrupts();
  std::optional<Progress> progress;
  const auto items = export_items(request, inputs, {folder, given(*values, "force"), context.command_line},
                                  [&](std::int64_t done, std::int64_t total) {
                                    if (total < 20) return;
                                    if (!progress) progress.emplace("export", total, "pictures", &context.err);
                                    progress->update(done);
                                  });
  if (progress) progress->finish();
  print(items, request.view, folder, given(*values, "json"), context);
  return 0;
}

}  // namespace kvscope
