#pragma once

#include "collectors/base/json_file.h"
#include "reports/command_line/command.h"
#include "reports/command_line/generation_options.h"

#include <filesystem>

namespace kvscope {

/// {"path", "sha256"} of an input file, for the `made_from` of what is made from it.
/// @throws Error  kBadInput if it cannot be read.
[[nodiscard]] Json file_origin(const std::filesystem::path& path);

/// Settings, threads, command line and version, for the `run` of a result.
[[nodiscard]] Json run_record(const GenerationSettings& settings, const CommandContext& context);

}  // namespace kvscope
