#include "tests/benchmarks/gpu/cache_bytes.h"

#include <cmath>

namespace kvscope::benchmark {
namespace {

/// Channels of one token, in keys alone.
std::int64_t channels(const ModelSize& model, std::int64_t images) {
  return 2 * images * model.layers * model.heads * model.head_dim;
}

}  // namespace

std::int64_t published_cache_bytes(const ModelSize& model, std::int64_t images) {
  constexpr std::int64_t kBytes = 4 + 2;
  return kBytes * model.tokens() * channels(model, images);
}

std::int64_t lossless_cache_bytes(const ModelSize& model, std::int64_t images) {
  constexpr std::int64_t kBytes = 2 + 2;
  return kBytes * (model.tokens() - model.queries(model.scales())) * channels(model, images);
}

std::int64_t compressed_cache_bytes(const ModelSize& model, std::int64_t images, double kept_share) {
  constexpr std::int64_t kBytes = 2 + 2;
  return kBytes * std::llround(kept_share * static_cast<double>(model.tokens())) * channels(model, images);
}

}  // namespace kvscope::benchmark
