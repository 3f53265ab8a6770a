#pragma once

#include "reports/command_line/options.h"

#include <string>
#include <vector>

namespace kvscope {

/// Adds --text-encoder, --prompt and --prompts-file to a command's --help.
void add_prompt_options(options::options_description& visible);

/// The prompts that were given, in their order; none if neither option was.
/// @throws Error  kUsage if both were given or a --prompt is none (see prompt_flaw); kBadInput for a file that is
///                missing or holds something else than prompts.
[[nodiscard]] std::vector<std::string> given_prompts(const options::variables_map& values);

}  // namespace kvscope
