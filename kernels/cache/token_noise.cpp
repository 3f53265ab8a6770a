#include "kernels/cache/token_noise.h"

#include <Random123/philox.h>

namespace kvscope {

float token_noise(const NoiseKey& key) {
  const auto word = [](auto value) { return static_cast<std::uint32_t>(value); };
  // Layers and heads are far below 2^16 each.
  const r123::Philox4x32::ctr_type counter{
      {word(key.token), word(key.row), word(key.step), word(key.layer) << 16 | word(key.head)}};
  const r123::Philox4x32::key_type seed{{word(key.seed), word(key.seed >> 32)}};
  return static_cast<float>(r123::Philox4x32()(counter, seed)[0] >> 8) * 0x1p-24F;
}

}  // namespace kvscope
