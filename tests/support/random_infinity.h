#pragma once

#include "collectors/base/element_type.h"

#include <cstdint>
#include <filesystem>
#include <optional>

// Infinity models with random weights, as files in the published layout; see random_var.h.
namespace kvscope::testing {

/// Geometry of an Infinity transformer and of its tokenizer.
struct RandomInfinity {
  int depth = 2;
  int chunks = 2;  ///< block_chunks.I; divides depth
  int heads = 2;
  std::int64_t head_dim = 64;
  std::int64_t text_width = 128;  ///< channels of the text features, a multiple of 128
  std::int64_t text_rows = 16;    ///< tokens of the unconditional text
  std::int64_t levels = 15;       ///< scales that have an embedding
  std::int64_t code_width = 16;   ///< bits of a cell
  bool patchify = false;          ///< a token stands for 2 x 2 cells; the tokenizer then has a level less
  /// Channels of the tokenizer's finest level, a multiple of 32. 128 as published.
  std::int64_t tokenizer_channels = 32;
  std::uint64_t seed = 0;
};

/// The two published models but for `tokenizer_channels`: 2.2 and 8.4 thousand million parameters.
[[nodiscard]] RandomInfinity infinity_2b();
[[nodiscard]] RandomInfinity infinity_8b();

/// Parameters of the transformer, buffers not counted. (Makes the weights to count them.)
[[nodiscard]] std::int64_t parameter_count(const RandomInfinity& geometry);

struct InfinityFiles {
  std::filesystem::path transformer;  ///< a file, or the folder of the shards
  std::filesystem::path tokenizer;
};

/// Writes the transformer, in one safetensors file or in shards of at most about `shard_bytes`, and
/// tokenizer.safetensors into `folder`, which must exist. As bfloat16 the 2B model takes 4.4 GB and the 8B model
/// 16.8 GB on disk; memory is needed for the largest tensor alone.
/// @param type  of the transformer's numbers; the tokenizer is float32
[[nodiscard]] InfinityFiles write_random_infinity(const std::filesystem::path& folder, const RandomInfinity& geometry,
                                                  std::optional<ElementType> type = std::nullopt,
                                                  std::optional<std::int64_t> shard_bytes = std::nullopt);

}  // namespace kvscope::testing
