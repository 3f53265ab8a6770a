#include "collectors/models/engine_factory.h"

#include "collectors/base/error.h"
#include "collectors/models/checkpoint_kind.h"
#include "collectors/models/infinity_engine.h"
#include "collectors/models/var_engine.h"

#include <utility>

namespace kvscope {

std::unique_ptr<Engine> load_engine(EngineOptions options) {
  const CheckpointKind kind = checkpoint_kind(Checkpoint::open(options.transformer));
  switch (kind) {
    case CheckpointKind::kVarTransformer:
    case CheckpointKind::kVarTraining:
      return load_var_engine({.transformer = options.transformer,
                              .tokenizer = options.tokenizer,
                              .compute_type = options.compute_type,
                              .device = options.device,
                              .rows = std::nullopt,
                              .scales = options.scales,
                              .heads = options.heads,
                              .layers = options.layers,
                              .memory = options.memory,
                              .progress = options.progress,
                              .graphs = std::move(options.graphs)});
    case CheckpointKind::kInfinityTransformer:
      return load_infinity_engine({.transformer = options.transformer,
                                   .tokenizer = options.tokenizer,
                                   .compute_type = options.compute_type,
                                   .device = options.device,
                                   .rows = std::nullopt,
                                   .image_size = options.image_size,
                                   .height_over_width = options.height_over_width,
                                   .unconditional_rows = options.unconditional_rows,
                                   .layers = options.layers,
                                   .memory = options.memory,
                                   .progress = options.progress,
                                   .graphs = std::move(options.graphs)});
    case CheckpointKind::kVarTokenizer:
    case CheckpointKind::kInfinityTokenizer:
      throw bad_input("{}: expected a transformer, found a file that looks like a {}", options.transformer.string(),
                      kind_name(kind));
    case CheckpointKind::kUnknown:
      break;
  }
  throw bad_input("{}: found a {}; VAR and Infinity transformers are run", options.transformer.string(),
                  kind_name(kind));
}

}  // namespace kvscope
