#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/inspection/inspection.h"

namespace kvscope {
namespace {

CommandOptions inspect_options() {
  CommandOptions command{
      .name = "inspect",
      .positional = "FILE",
      .description =
          "Says what a file holds: a checkpoint (tensors, model, fingerprint), a capture (geometry, samples,\n"
          "statistics, sizes, run), scores.h5, heads.json, plan.json, replay.json or text features. The kind is told "
          "by\n"
          "content."};
  auto add = command.visible.add_options();
  add("check", "read and check everything, as the command that uses the file would; a flaw is exit status 3");
  add("json", "print JSON");
  command.hidden.add_options()("file", options::value<std::string>());
  command.positions.add("file", 1);
  return command;
}

}  // namespace

ExitStatus run_inspect(const CommandContext& context) {
  const auto values = parse_options(inspect_options(), context);
  if (!values) return 0;
  const auto path = required_option<std::string>(*values, "file");
  const auto depth = given(*values, "check") ? InspectionDepth::kCheck : InspectionDepth::kSummary;
  const Inspection inspection = inspect_file(path, depth);
  if (given(*values, "json")) {
    context.out << to_json(inspection).dump(2) << '\n';
  } else {
    context.out << inspection_text(inspection);
  }
  return 0;
}

}  // namespace kvscope
