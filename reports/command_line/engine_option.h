#pragma once

#include "collectors/models/engine.h"
#include "reports/command_line/generation_options.h"

#include <memory>

namespace kvscope {

/// The model that the command line asks for: --checkpoint and --tokenizer, else the bundled one.
/// @throws Error  as load_engine(const EngineOptions&); kEnvironment if the bundled model is not there.
[[nodiscard]] std::unique_ptr<Engine> load_engine(const GenerationSettings& settings);

}  // namespace kvscope
