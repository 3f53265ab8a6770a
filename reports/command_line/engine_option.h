#pragma once

#include "collectors/models/engine.h"
#include "reports/command_line/generation_options.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>

namespace kvscope {

/// What a command holds in memory while it generates, at the least.
struct MemoryUse {
  int caches = 1;                                                                  ///< full KV caches at the same time
  bool images = true;                                                              ///< whether images are decoded
  std::function<std::int64_t(const ModelSizes&, const GenerationShape&)> besides;  ///< see MemoryBudget
};

/// The model that the command line asks for: --checkpoint and --tokenizer, else the bundled one.
/// @param notes   where streamed layers say how far they are; must outlive the engine
/// @throws Error  as load_engine(EngineOptions); kEnvironment if the bundled model is not there, or if there is less
///                memory (GenerationSettings::max_memory) than `use` makes it need.
[[nodiscard]] std::unique_ptr<Engine> load_engine(const GenerationSettings& settings, std::ostream& notes,
                                                  const MemoryUse& use = {});

/// The same for figures about a run: no layer is kept in memory, and nothing is refused for the lack of it.
[[nodiscard]] std::unique_ptr<Engine> load_engine_for_estimate(GenerationSettings settings, std::ostream& notes);

/// The same, running from CUDA graphs where the settings ask for them. Where there are none, says why in one line to
/// `notes` and goes without: Engine::uses_graphs() is for the record of the run.
[[nodiscard]] std::unique_ptr<Engine> load_engine_with_graphs(const GenerationSettings& settings, std::ostream& notes,
                                                              const MemoryUse& use = {});

/// The samples that the command line asks for, numbered from 0.
/// @throws Error  kUsage naming a label outside [0, classes).
[[nodiscard]] GenerationRequest generation_request(const GenerationSettings& settings, std::int64_t classes);

}  // namespace kvscope
