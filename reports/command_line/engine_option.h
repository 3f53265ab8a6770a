#pragma once

#include "collectors/models/engine.h"
#include "reports/command_line/generation_options.h"

#include <cstdint>
#include <memory>
#include <ostream>

namespace kvscope {

/// The model that the command line asks for: --checkpoint and --tokenizer, else the bundled one.
/// @throws Error  as load_engine(EngineOptions); kEnvironment if the bundled model is not there.
[[nodiscard]] std::unique_ptr<Engine> load_engine(const GenerationSettings& settings);

/// The same, running from CUDA graphs where the settings ask for them. Where there are none, says why in one line to
/// `notes` and goes without: Engine::uses_graphs() is for the record of the run.
[[nodiscard]] std::unique_ptr<Engine> load_engine_with_graphs(const GenerationSettings& settings, std::ostream& notes);

/// The samples that the command line asks for, numbered from 0.
/// @throws Error  kUsage naming a label outside [0, classes).
[[nodiscard]] GenerationRequest generation_request(const GenerationSettings& settings, std::int64_t classes);

}  // namespace kvscope
