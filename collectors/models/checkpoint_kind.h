#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <string_view>

namespace kvscope {

/// What a checkpoint holds, told by the names of its tensors.
enum class CheckpointKind {
  kVarTransformer,
  kVarTokenizer,
  kVarTraining,  ///< a training checkpoint with transformer and tokenizer
  kInfinityTransformer,
  kInfinityTokenizer,
  kUnknown,
};

[[nodiscard]] CheckpointKind checkpoint_kind(const Checkpoint& checkpoint);

/// "VAR transformer", ...: with article in messages ("a VAR tokenizer").
[[nodiscard]] std::string_view kind_name(CheckpointKind kind) noexcept;

/// True if the kind holds a VAR transformer / a VAR tokenizer.
[[nodiscard]] constexpr bool has_var_transformer(CheckpointKind kind) noexcept {
  return kind == CheckpointKind::kVarTransformer || kind == CheckpointKind::kVarTraining;
}
[[nodiscard]] constexpr bool has_var_tokenizer(CheckpointKind kind) noexcept {
  return kind == CheckpointKind::kVarTokenizer || kind == CheckpointKind::kVarTraining;
}

}  // namespace kvscope
