#include "reports/command_line/prompt_options.h"

#include "collectors/text/prompts.h"

namespace kvscope {

void add_prompt_options(options::options_description& visible) {
  auto add = visible.add_options();
  add("text-encoder", options::value<std::string>()->value_name("FOLDER"),
      "folder of the text encoder as transformers has it: config.json, spiece.model and the weights");
  add("prompt", options::value<std::vector<std::string>>()->value_name("TEXT"), "a prompt; may be given several times");
  add("prompts-file", options::value<std::string>()->value_name("FILE"),
      "prompts from a text file, one a line in UTF-8; blank lines and lines that begin with '#' are left out");
}

std::vector<std::string> given_prompts(const options::variables_map& values) {
  if (given(values, "prompt") && given(values, "prompts-file")) {
    throw usage_error("--prompt and --prompts-file exclude each other");
  }
  if (given(values, "prompts-file")) return read_prompts(values["prompts-file"].as<std::string>());
  if (!given(values, "prompt")) return {};
  auto prompts = values["prompt"].as<std::vector<std::string>>();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (const auto flaw = prompt_flaw(prompts[i]); !flaw.empty()) throw usage_error("--prompt: prompt {} {}", i, flaw);
  }
  return prompts;
}

}  // namespace kvscope
