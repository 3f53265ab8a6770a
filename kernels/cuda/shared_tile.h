#pragma once

#include "kernels/cuda/primitives.h"

#include <cstddef>

namespace kvscope::gpu {

inline constexpr int kPacketBytes = 16;

/// Rows of kColumns elements in shared memory, without padding. The packets of a row are permuted by an exclusive or
/// with its number, so that 8 neighbouring rows have the same packet in 8 different groups of banks.
template <typename Element, int kColumns>
struct SharedTile {
  static constexpr int kPacketElements = kPacketBytes / static_cast<int>(sizeof(Element));
  static constexpr int kRowPackets = kColumns / kPacketElements;
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(Element));
  static_assert(kRowPackets % 4 == 0);

  KVSCOPE_DEVICE static int swizzle(int row) {
    // Rows of an odd number of half lines (4 or 12 packets) come in pairs that fill the banks once.
    return kRowPackets % 8 == 0 ? row & 7 : (row >> 1) & 3;
  }
  KVSCOPE_DEVICE static std::byte* packet(std::byte* tile, int row, int packet) {
    return tile + row * kRowBytes + (packet ^ swizzle(row)) * kPacketBytes;
  }
  KVSCOPE_DEVICE static const std::byte* packet(const std::byte* tile, int row, int packet) {
    return tile + row * kRowBytes + (packet ^ swizzle(row)) * kPacketBytes;
  }
};

}  // namespace kvscope::gpu
