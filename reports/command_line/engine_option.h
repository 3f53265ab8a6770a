#pragma once

#include "collectors/models/engine.h"
#include "reports/command_line/generation_options.h"

#include <cstdint>
#include <memory>

namespace kvscope {

/// The model that the command line asks for: --checkpoint and --tokenizer, else the bundled one.
/// @throws Error  as load_engine(const EngineOptions&); kEnvironment if the bundled model is not there.
[[nodiscard]] std::unique_ptr<Engine> load_engine(const GenerationSettings& settings);

/// The samples that the command line asks for, numbered from 0.
/// @throws Error  kUsage naming a label outside [0, classes).
[[nodiscard]] GenerationRequest generation_request(const GenerationSettings& settings, std::int64_t classes);

}  // namespace kvscope
