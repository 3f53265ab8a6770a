#pragma once

#include "tests/benchmarks/gpu/model_size.h"

#include <cstdint>

namespace kvscope::benchmark {

// Bytes of keys and values of all layers, heads and rows (2 for each image) at the end of a generation.

/// As published: keys in float32, values in 16 bits, all scales.
[[nodiscard]] std::int64_t published_cache_bytes(const ModelSize& model, std::int64_t images);
/// 16 bits, without the last scale, whose tokens nobody reads again.
[[nodiscard]] std::int64_t lossless_cache_bytes(const ModelSize& model, std::int64_t images);
/// 16 bits, `kept_share` of all tokens.
[[nodiscard]] std::int64_t compressed_cache_bytes(const ModelSize& model, std::int64_t images, double kept_share);

}  // namespace kvscope::benchmark
