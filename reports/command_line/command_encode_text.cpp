#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/text/encode_prompts.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/command_line/prompt_options.h"
#include "reports/tables/table.h"

#include <string>

namespace kvscope {
namespace {

CommandOptions encode_text_options() {
  CommandOptions command{
      .name = "encode-text",
      .positional = "",
      .description =
          "Turns prompts into what text-to-image models read of them, with the encoder of Flan-T5 (or T5 v1.1), once\n"
          "for all runs that use these prompts (docs/formats/text_features.md)."};
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  auto add = command.visible.add_options();
  add_prompt_options(command.visible);
  add("output,o", text("FILE")->default_value("text_features.h5"), "file to write");
  add("max-tokens", options::value<std::int64_t>()->default_value(kDefaultTextTokens)->value_name("N"),
      "tokens of a prompt, its end included; longer ones are cut, with a warning");
  add("dtype", text("TYPE")->default_value("fp32"), "fp32 or bf16: of the linear layers; features are float32");
  add("device", text("NAME")->default_value("cpu"), "where to compute: cpu, cuda or cuda:N");
  add("threads", options::value<int>()->default_value(0)->value_name("N"), "0: all cores; never changes a result");
  add("json", "print JSON");
  return command;
}

ElementType linear_type(const std::string& name) {
  const auto type = element_type_from_name(name);
  if (type != ElementType::kFloat32 && type != ElementType::kBFloat16) {
    throw usage_error("--dtype is '{}', expected fp32 or bf16", name);
  }
  return *type;
}

TextEncoding requested(const options::variables_map& values, std::ostream* messages) {
  // Member by member: g++ 12 destroys twice what a braced initialiser held when a later one throws.
  TextEncoding encoding;
  encoding.folder = required_option<std::string>(values, "text-encoder");
  encoding.prompts = given_prompts(values);
  if (encoding.prompts.empty()) throw usage_error("there is no prompt: give --prompt or --prompts-file");
  encoding.most_tokens = in_range<std::int64_t>(values, "max-tokens", 2, kMostTextTokens);
  encoding.compute_type = linear_type(values["dtype"].as<std::string>());
  encoding.device = compute_device_from_name(values["device"].as<std::string>(), "--device");
  encoding.messages = messages;
  return encoding;
}

}  // namespace

ExitStatus run_encode_text(const CommandContext& context) {
  const auto values = parse_options(encode_text_options(), context);
  if (!values) return 0;
  const TextEncoding encoding = requested(*values, &context.err);
  set_thread_count(in_range<int>(*values, "threads", 0, kMostThreads));
  catch_interrupts();
  const auto output = (*values)["output"].as<std::string>();

  TextFeatures text = encode_prompts(encoding);
  text.run["command_line"] = context.command_line;
  text.run["version"] = KVSCOPE_VERSION;
  write_text_features(output, text);
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(output));
  if (given(*values, "json")) {
    const Json document = {{"file", output},
                           {"prompts", text.count()},
                           {"lengths", text.lengths},
                           {"width", text.width()},
                           {"bytes", bytes}};
    context.out << document.dump(2) << '\n';
  } else {
    context.out << fmt::format("{}: {} prompts, {} tokens of width {}, {}\n", output, text.count(),
                               text.features.extent(0), text.width(), bytes_text(static_cast<double>(bytes)));
  }
  return 0;
}

}  // namespace kvscope
