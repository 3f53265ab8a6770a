#pragma once

#include <cstdint>

namespace kvscope {

/// What a random score depends on, and nothing else: not the batch, the threads or the order of computation.
struct NoiseKey {
  std::uint64_t seed = 0;
  std::int64_t row = 0;
  int layer = 0;
  int head = 0;  ///< key/value head
  int step = 0;
  std::int64_t token = 0;  ///< place in the generation
};

/// Uniform in [0, 1), a multiple of 2^-24; Philox4x32-10 (Salmon et al. 2011) of the key.
[[nodiscard]] float token_noise(const NoiseKey& key);

}  // namespace kvscope
