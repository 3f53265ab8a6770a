#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/cuda/row_products.h"

#include <cstddef>

namespace kvscope::gpu {

/// Rows of a tile in shared memory that come from anywhere, and their products: what kernels share that gather keys or
/// queries by index. The layout is that of copy_tokens().
template <typename Element, int kHeadDim>
struct GatheredRows {
  static constexpr int kPacketElements = 16 / static_cast<int>(sizeof(Element));
  static constexpr int kPackets = kHeadDim / kPacketElements;  ///< of a row
  static constexpr int kStride = kTokenStride<Element, kHeadDim>;
  static constexpr int kRowBytes = kStride * static_cast<int>(sizeof(Element));

  /// Begins copying `rows` rows to shared memory, by the whole block: row i from source(i), which is an address, or
  /// null for a row of zeros (of `anywhere` nothing is read then).
  template <int kThreads, typename Source>
  KVSCOPE_DEVICE static void copy_async_from(Element* tile, int rows, const std::byte* anywhere, const Source& source) {
    for (int i = thread_index(); i < rows * kPackets; i += kThreads) {
      const int row = i / kPackets;
      const int packet = i % kPackets;
      const std::byte* address = source(row);
      const bool is_there = address != nullptr;
      copy_async(tile + row * kStride + packet * kPacketElements, is_there ? address + packet * 16 : anywhere,
                 is_there ? 16 : 0);
    }
  }
};

/// A warp's 16 rows against 32 columns. With g = lane / 4 and t = lane % 4, at(j, which, half) is the product of row
/// g + 8 half and column column(j, which) = 8 j + 2 t + which.
template <typename Element, int kHeadDim>
struct WideProducts {
  static constexpr int kWarpRows = 16;
  static constexpr int kColumns = 32;
  static constexpr int kColumnBlocks = kColumns / 8;

  float sums[2][1][2][4];

  /// @param columns  [kColumns, kTokenStride] in shared memory
  KVSCOPE_DEVICE void multiply(const KeptRows<Element, kHeadDim> (&rows)[1], const Element* columns) {
    multiply_rows(sums[0], rows, columns);
    multiply_rows(sums[1], rows, columns + kColumns / 2 * kTokenStride<Element, kHeadDim>);
  }
  [[nodiscard]] KVSCOPE_DEVICE float at(int j, int which, int half) const {
    return sums[j / 2][0][j % 2][2 * half + which];
  }
  [[nodiscard]] KVSCOPE_DEVICE static int column(int j, int which) { return 8 * j + lane_index() % 4 * 2 + which; }
  [[nodiscard]] KVSCOPE_DEVICE static int row(int half) { return lane_index() / 4 + 8 * half; }
};

}  // namespace kvscope::gpu
