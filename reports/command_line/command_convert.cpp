#include "collectors/base/json_file.h"
#include "collectors/checkpoint/safetensors_writer.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/tables/table.h"

#include <algorithm>

namespace kvscope {
namespace {

/// "keep" is nothing: every tensor keeps its type.
std::optional<ElementType> floating_type(const std::string& name) {
  if (name == "keep") return std::nullopt;
  const auto type = element_type_from_name(name);
  const bool known = type == ElementType::kFloat32 || type == ElementType::kFloat16 || type == ElementType::kBFloat16;
  if (!known) throw usage_error("--dtype: '{}' is none of keep, float32, float16, bfloat16", name);
  return type;
}

/// The tensors that are to be written: all but those named.
std::vector<CheckpointTensor> without(const Checkpoint& checkpoint, const std::vector<std::string>& dropped) {
  for (const auto& name : dropped) static_cast<void>(checkpoint.at(name));
  std::vector<CheckpointTensor> tensors;
  for (const auto& tensor : checkpoint.tensors()) {
    if (std::find(dropped.begin(), dropped.end(), tensor.name) == dropped.end()) tensors.push_back(tensor);
  }
  if (tensors.empty()) throw usage_error("--drop: nothing would be left of {}", checkpoint.path().string());
  return tensors;
}

CommandOptions convert_options() {
  CommandOptions command{.name = "convert",
                         .positional = "CHECKPOINT -o FILE.safetensors",
                         .description =
                             "Writes the tensors of a checkpoint (.pth or .safetensors) into a safetensors file. "
                             "Values that are no tensors are left out."};
  auto add = command.visible.add_options();
  add("output,o", options::value<std::string>()->value_name("FILE"), "file to write");
  add("dtype", options::value<std::string>()->value_name("TYPE")->default_value("keep"),
      "type of floating-point tensors: keep, float32, float16 or bfloat16; rounded to nearest, ties to even; a "
      "number that would become infinite is an error; integers stay what they are");
  add("subtree", options::value<std::string>()->value_name("PREFIX"),
      "only the tensors below this name, and without it: trainer.var_wo_ddp of a training checkpoint");
  add("drop", options::value<std::vector<std::string>>()->value_name("NAME"),
      "leave this tensor out; may be given several times");
  add("json", "print JSON");
  command.hidden.add_options()("checkpoint", options::value<std::string>());
  command.positions.add("checkpoint", 1);
  return command;
}

}  // namespace

ExitStatus run_convert(const CommandContext& context) {
  const auto values = parse_options(convert_options(), context);
  if (!values) return 0;
  const auto input = required_option<std::string>(*values, "checkpoint");
  const auto output = required_option<std::string>(*values, "output");
  const auto type = floating_type((*values)["dtype"].as<std::string>());

  Checkpoint checkpoint = Checkpoint::open(input);
  if (given(*values, "subtree")) checkpoint = checkpoint.subtree((*values)["subtree"].as<std::string>());
  const auto dropped =
      given(*values, "drop") ? (*values)["drop"].as<std::vector<std::string>>() : std::vector<std::string>{};
  const auto tensors = without(checkpoint, dropped);
  const std::int64_t bytes = write_safetensors(output, tensors, type);

  if (given(*values, "json")) {
    const Json document = {{"file", output}, {"tensors", tensors.size()}, {"bytes", bytes}};
    context.out << document.dump(2) << '\n';
  } else {
    context.out << fmt::format("{}: {} tensors, {}\n", output, tensors.size(), bytes_text(static_cast<double>(bytes)));
  }
  return 0;
}

}  // namespace kvscope
