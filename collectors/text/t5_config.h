#pragma once

#include "collectors/checkpoint/checkpoint.h"
#include "collectors/models/tensor_group.h"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace kvscope {

/// Geometry of a T5 encoder with gated GELU (T5 v1.1 and Flan-T5; Raffel et al. 2020, arXiv 1910.10683, and Chung et
/// al. 2022, arXiv 2210.11416).
struct T5Config {
  std::int64_t width = 0;           ///< d_model
  std::int64_t layers = 0;          ///< of the encoder
  std::int64_t heads = 0;           ///< per layer
  std::int64_t head_width = 0;      ///< d_kv; heads * head_width need not be the width
  std::int64_t inner_width = 0;     ///< d_ff
  std::int64_t vocabulary = 0;      ///< rows of the embedding, which may be more than the tokenizer has pieces
  std::int64_t buckets = 32;        ///< of relative positions, half of them for keys after the query
  std::int64_t max_distance = 128;  ///< from which on distances share the last bucket
  double epsilon = 1e-6;            ///< of the RMSNorms

  [[nodiscard]] std::int64_t attention_width() const noexcept { return heads * head_width; }
};

/// Reads the config.json of a transformers folder.
/// @throws Error  kBadInput naming file and field that is missing, out of range, or of another family.
[[nodiscard]] T5Config read_t5_config(const std::filesystem::path& path);

/// Tensors of the encoder without its embedding, whose name varies.
[[nodiscard]] std::vector<ExpectedTensor> t5_encoder_tensors(const T5Config& config);

/// Whether a tensor belongs to the decoder or is a second name of the embedding: it is not used.
[[nodiscard]] bool is_outside_t5_encoder(std::string_view name);

/// Bucket of the relative position `key - query`: those up to half of a side's buckets have one each, the others share
/// them in steps that grow like a logarithm up to `max_distance`; keys after the query come after all others. Computed
/// in float32 as published, which decides the borders.
/// @return  in [0, config.buckets)
[[nodiscard]] std::int64_t relative_position_bucket(std::int64_t key_minus_query, const T5Config& config);

}  // namespace kvscope
