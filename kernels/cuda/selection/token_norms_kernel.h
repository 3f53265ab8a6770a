#pragma once

#include "kernels/cuda/selection/device_selection.h"
#include "kernels/cuda/token_view.h"

#include <cmath>
#include <cstdint>

namespace kvscope::gpu {

/// NormProblem: 4 to 32 neighbouring lanes read a token, 16 bytes each, and add up its squares in double precision, as
/// value_norms() does; squares of 16-bit elements are exact there. A block for each (pair, 64 candidates). Reads each
/// token once.
template <typename Element>
struct TokenNorms {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 4;
  static constexpr int kSharedBytes = 0;
  static constexpr int kTokens = 64;  ///< of a block
  static constexpr int kPacketElements = 16 / static_cast<int>(sizeof(Element));

  TokenView tokens;
  int tiles;  ///< blocks for each pair
  int lanes;  ///< for each token: a power of two, no fewer than its packets
  float* norms;
  std::int64_t stride;

  KVSCOPE_DEVICE void operator()() const {
    const int pair = block_index() / tiles;
    const int first = block_index() % tiles * kTokens;
    const PairTokens mine(tokens, pair);
    if (first >= mine.count()) return;
    const int packet = thread_index() % lanes;
    for (int i = thread_index() / lanes; i < kTokens; i += kThreads / lanes) {
      const int j = first + i;
      double square = 0.0;
      if (j < mine.count() && packet * 16 < tokens.token_bytes) {
        square = square_of(load_packet(mine.token(mine.place(j)) + packet * 16));
      }
      for (int mask = 1; mask < lanes; mask *= 2) square += shuffle_xor(square, mask);
      if (packet == 0 && j < mine.count()) store(norms + pair * stride + j, static_cast<float>(std::sqrt(square)));
    }
  }

 private:
  KVSCOPE_DEVICE static double square_of(const Packet& packet) {
    double square = 0.0;
    KVSCOPE_UNROLL
    for (int i = 0; i < 4; ++i) {
      if constexpr (kIsPacked<Element>) {
        const auto low = static_cast<double>(to_float(Element{static_cast<std::uint16_t>(packet.words[i])}));
        const auto high = static_cast<double>(to_float(Element{static_cast<std::uint16_t>(packet.words[i] >> 16U)}));
        square += low * low + high * high;
      } else {
        const auto value = static_cast<double>(float_of_bits(packet.words[i]));
        square += value * value;
      }
    }
    return square;
  }
};

}  // namespace kvscope::gpu
