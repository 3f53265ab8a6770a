#include "collectors/models/checkpoint_kind.h"

#include "collectors/models/var_config.h"
#include "collectors/models/var_tokenizer_config.h"

#include <algorithm>

namespace kvscope {
namespace {

bool any_name_contains(const Checkpoint& checkpoint, std::string_view part) {
  const auto& tensors = checkpoint.tensors();
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const CheckpointTensor& tensor) { return tensor.name.find(part) != std::string::npos; });
}

}  // namespace

CheckpointKind checkpoint_kind(const Checkpoint& checkpoint) {
  const TensorGroup transformer = var_transformer_group(checkpoint);
  const bool is_transformer = transformer.has("pos_1LC") || transformer.has("class_emb.weight");
  const bool is_tokenizer = var_tokenizer_group(checkpoint).has("quantize.embedding.weight");
  if (is_transformer) return is_tokenizer ? CheckpointKind::kVarTraining : CheckpointKind::kVarTransformer;
  if (is_tokenizer) return CheckpointKind::kVarTokenizer;
  // Cross attention (".ca.") and bitwise quantisers (".lfq.") are Infinity's, however its files are wrapped.
  if (any_name_contains(checkpoint, "text_proj_for_sos.")) return CheckpointKind::kInfinityTransformer;
  if (any_name_contains(checkpoint, ".lfq.")) return CheckpointKind::kInfinityTokenizer;
  return CheckpointKind::kUnknown;
}

std::string_view kind_name(CheckpointKind kind) noexcept {
  switch (kind) {
    case CheckpointKind::kVarTransformer:
      return "VAR transformer";
    case CheckpointKind::kVarTokenizer:
      return "VAR tokenizer";
    case CheckpointKind::kVarTraining:
      return "VAR training checkpoint";
    case CheckpointKind::kInfinityTransformer:
      return "Infinity transformer";
    case CheckpointKind::kInfinityTokenizer:
      return "Infinity tokenizer";
    case CheckpointKind::kUnknown:
      break;
  }
  return "checkpoint of an unknown family";
}

}  // namespace kvscope
