#include "analysis/scores.h"
#include "collectors/base/progress.h"
#include "collectors/capture/capture.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/command_line/step_option.h"
#include "reports/tables/head_tables.h"
#include "reports/tables/text_table.h"

#include <algorithm>

namespace kvscope {
namespace {

CommandOptions analyze_options() {
  CommandOptions command{
      .name = "analyze",
      .positional = "CAPTURE",
      .description =
          "Scores every attention head of a capture at every step and branch (column variance, verticality,\n"
          "band mass, entropy, distance, sinks, history), with spread and 95 % intervals over samples, and writes\n"
          "scores.h5. "
          "Prints the scores of one branch and step; the file holds all."};
  // clang-format off
  command.visible.add_options()
      ("output,o", options::value<std::string>()->default_value("scores.h5"), "file to write")
      ("band-radius", options::value<int>()->default_value(1), "half width of the diagonal bands in tokens of the source: 0, 1, 2 or 4")
      ("branch", options::value<std::string>()->default_value("conditional"), "branch of guidance to print")
      ("step", options::value<std::string>()->default_value("last"), "step to print: a number from 0, or last")
      ("by", options::value<std::string>()->default_value("head"), "print a line per head or per layer")
      ("sort", options::value<std::string>(), "print by falling value of this score; default: in order of layers and heads")
      ("json", "print JSON");
  // clang-format on
  command.hidden.add_options()("capture", options::value<std::string>());
  command.positions.add("capture", 1);
  return command;
}

Table printed_scores(const Scores& scores, const options::variables_map& values, int branch, int step) {
  const auto& by = values["by"].as<std::string>();
  if (by != "head" && by != "layer") throw usage_error("--by is '{}', expected head or layer", by);
  const Table table = by == "head" ? score_table(scores, branch, step) : layer_score_table(scores, branch, step);
  if (!given(values, "sort")) return table;
  const auto& score = values["sort"].as<std::string>();
  if (std::ranges::find(table.columns(), score, &Column::name) == table.columns().end()) {
    std::vector<std::string_view> names;
    for (const Column& column : table.columns()) names.push_back(column.name);
    throw usage_error("--sort: no column '{}', expected one of {}", score, fmt::join(names, ", "));
  }
  return sorted_by(table, score);
}

void print_json(const Scores& scores, const std::string& file, const Table& table, const Table& stability, int branch,
                int step, std::ostream& out) {
  const Json document{
      {"file", file}, {"samples", scores.samples}, {"branch", scores.model.branches[static_cast<std::size_t>(branch)]},
      {"step", step}, {"scores", to_json(table)},  {"stability", to_json(stability)}};
  out << document.dump(2) << '\n';
}

}  // namespace

ExitStatus run_analyze(const CommandContext& context) {
  const auto values = parse_options(analyze_options(), context);
  if (!values) return 0;
  const auto path = required_option<std::string>(*values, "capture");
  const auto output = (*values)["output"].as<std::string>();
  const Capture capture = Capture::open(path);
  const int branch = branch_index(capture.model(), (*values)["branch"].as<std::string>());
  const int step = step_option((*values)["step"].as<std::string>(), capture.steps());

  Progress progress("analyze", capture.steps().size(), "steps", &context.err);
  const Scores scores =
      compute_scores(capture, {.band_radius = (*values)["band-radius"].as<int>(), .progress = &context.err},
                     [&](int done, int) { progress.update(done); });
  progress.finish();
  // The table first: a wrong --sort or --by leaves no file behind.
  const Table table = printed_scores(scores, *values, branch, step);
  const Table stability = stability_table(scores, branch, step);
  write_scores(output, scores);
  if (!scores.complete) context.err << "kvscope analyze: " << path << " is an unfinished capture\n";
  if (given(*values, "json")) {
    print_json(scores, output, table, stability, branch, step, context.out);
    return 0;
  }
  context.out << text_table(table) << '\n' << text_table(stability) << "\nwritten: " << output << '\n';
  return 0;
}

}  // namespace kvscope
