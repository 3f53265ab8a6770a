#pragma once

#include "kernels/cuda/primitives.h"

#include <cstdint>
#include <type_traits>

/// Products of 16 rows with 16 columns by one warp, in the layout of multiply_add(): of 16-bit elements on the tensor
/// cores, of float32 by the thread that holds the result.
///
/// The warp's result of 16 rows and 16 columns is d[2][4], d[n] for the columns [8 n, 8 n + 8). With g = lane / 4 and
/// t = lane % 4, d[n][0] and d[n][1] are row g, columns 8 n + 2 t and 8 n + 2 t + 1; d[n][2] and d[n][3] row g + 8.
namespace kvscope::gpu {

/// [rows, heads, tokens, head_dim] in global memory, channels adjacent.
template <typename Element>
struct HeadTokens {
  const Element* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t token_stride = 0;

  KVSCOPE_DEVICE const Element* at(std::int64_t row, std::int64_t head) const {
    return data + row * row_stride + head * head_stride;
  }
};

/// Elements from one token to the next in shared memory: 16 bytes more than the channels, so that the 16-byte pieces
/// of 8 successive tokens lie in different banks.
template <typename Element, int kHeadDim>
inline constexpr int kTokenStride = kHeadDim + 16 / static_cast<int>(sizeof(Element));

/// Begins copying the tokens [first, first + kTokens) to shared memory; tokens from `end` on become 0.
template <int kTokens, int kHeadDim, int kThreads, typename Element>
KVSCOPE_DEVICE void copy_tokens(Element* shared, const Element* tokens, std::int64_t stride, int first, int end) {
  constexpr int kElements = 16 / static_cast<int>(sizeof(Element));
  constexpr int kPieces = kHeadDim / kElements;
  for (int i = thread_index(); i < kTokens * kPieces; i += kThreads) {
    const int token = i / kPieces;
    const int channel = i % kPieces * kElements;
    const bool is_there = first + token < end;
    const Element* source = tokens + (is_there ? first + token : first) * stride + channel;
    copy_async(shared + token * kTokenStride<Element, kHeadDim> + channel, source, is_there ? 16 : 0);
  }
}

/// 16 rows that a warp multiplies again and again: of 16-bit elements in registers, of float32 in shared memory.
template <typename Element, int kHeadDim>
struct KeptRows {
  std::uint32_t words[kHeadDim / 16][4];

  /// @param rows  [16, kTokenStride] in shared memory
  KVSCOPE_DEVICE void load(const Element* rows) {
    const int lane = lane_index();
    const Element* row = rows + lane % 16 * kTokenStride<Element, kHeadDim> + lane / 16 * 8;
    KVSCOPE_UNROLL
    for (int k = 0; k < kHeadDim / 16; ++k) load_matrices(words[k], row + k * 16);
  }
};

template <int kHeadDim>
struct KeptRows<float, kHeadDim> {
  const float* rows;

  KVSCOPE_DEVICE void load(const float* shared) { rows = shared; }
};

/// d[m] = rows[m] columns^T for all kRows groups of 16 rows, by which the columns are read once.
/// @param columns  [16, kTokenStride] in shared memory
template <typename Element, int kHeadDim, int kRows>
KVSCOPE_DEVICE void multiply_rows(float (&d)[kRows][2][4], const KeptRows<Element, kHeadDim> (&rows)[kRows],
                                  const Element* columns) {
  constexpr int kStride = kTokenStride<Element, kHeadDim>;
  const int lane = lane_index();
  KVSCOPE_UNROLL
  for (int m = 0; m < kRows; ++m) {
    KVSCOPE_UNROLL
    for (int e = 0; e < 8; ++e) d[m][e / 4][e % 4] = 0;
  }
  if constexpr (kIsPacked<Element>) {
    // Matrices 0 and 1: columns 0 to 7, channels 0 to 7 and 8 to 15 of the step; 2 and 3: columns 8 to 15.
    const Element* column = columns + (lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8;
    KVSCOPE_UNROLL
    for (int k = 0; k < kHeadDim / 16; ++k) {
      std::uint32_t words[4];
      load_matrices(words, column + k * 16);
      KVSCOPE_UNROLL
      for (int m = 0; m < kRows; ++m) {
        multiply_add<Element>(d[m][0], rows[m].words[k], {words[0], words[1]});
        multiply_add<Element>(d[m][1], rows[m].words[k], {words[2], words[3]});
      }
    }
  } else {
    const int g = lane / 4;
    const int t = lane % 4;
    for (int c = 0; c < kHeadDim; c += 4) {
      Packet column[4];
      KVSCOPE_UNROLL
      for (int n = 0; n < 4; ++n) column[n] = load_packet(columns + (n / 2 * 8 + 2 * t + n % 2) * kStride + c);
      KVSCOPE_UNROLL
      for (int m = 0; m < kRows; ++m) {
        const Packet row[2] = {load_packet(rows[m].rows + g * kStride + c),
                               load_packet(rows[m].rows + (g + 8) * kStride + c)};
        KVSCOPE_UNROLL
        for (int e = 0; e < 8; ++e) {
          const Packet& a = row[e / 2 % 2];
          const Packet& b = column[e / 4 * 2 + e % 2];
          KVSCOPE_UNROLL
          for (int i = 0; i < 4; ++i) {
            d[m][e / 4][e % 4] = multiply_add(float_of_bits(a.words[i]), float_of_bits(b.words[i]), d[m][e / 4][e % 4]);
          }
        }
      }
    }
  }
}

/// The sum over the four lanes of a row of d, in all of them.
KVSCOPE_DEVICE float sum_of_row(float value) {
  value += shuffle_xor(value, 1);
  return value + shuffle_xor(value, 2);
}

/// The sum over a warp, in every lane.
KVSCOPE_DEVICE float sum_of_warp(float value) {
  KVSCOPE_UNROLL
  for (int mask = kWarpThreads / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

}  // namespace kvscope::gpu
