#include "kernels/interpreter/fragments.h"

#include "collectors/base/half.h"

namespace kvscope::gpu::interpreter {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kDepth = 16;
constexpr int kLanesPerRow = 4;
constexpr int kMatrixRows = 8;

/// The two elements of a register as float, the lower half first.
struct Pair {
  float low;
  float high;
};

Pair unpack(std::uint32_t bits, bool is_bfloat16) {
  const auto low = static_cast<std::uint16_t>(bits);
  const auto high = static_cast<std::uint16_t>(bits >> 16);
  if (is_bfloat16) return {float_of_bfloat16(low), float_of_bfloat16(high)};
  return {float_of_float16(low), float_of_float16(high)};
}

}  // namespace

void multiply_add_fragments(const std::array<FragmentsOfLane, kWarpThreads>& lanes, bool is_bfloat16) {
  float a[kRows][kDepth];
  float b[kDepth][kColumns];
  float d[kRows][kColumns];
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    const FragmentsOfLane& fragments = lanes[static_cast<std::size_t>(lane)];
    const int group = lane / kLanesPerRow;
    const int first = 2 * (lane % kLanesPerRow);
    for (int i = 0; i < 4; ++i) {
      const Pair pair = unpack(fragments.a[i], is_bfloat16);
      float* row = a[group + 8 * (i % 2)] + first + 8 * (i / 2);
      row[0] = pair.low;
      row[1] = pair.high;
      d[group + 8 * (i / 2)][first + i % 2] = fragments.d[i];
    }
    for (int i = 0; i < 2; ++i) {
      const Pair pair = unpack(fragments.b[i], is_bfloat16);
      b[first + 8 * i][group] = pair.low;
      b[first + 8 * i + 1][group] = pair.high;
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      for (int column = 0; column < kColumns; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    const int group = lane / kLanesPerRow;
    const int first = 2 * (lane % kLanesPerRow);
    for (int i = 0; i < 4; ++i) lanes[static_cast<std::size_t>(lane)].d[i] = d[group + 8 * (i / 2)][first + i % 2];
  }
}

void distribute_matrices(const std::array<const std::uint16_t*, kWarpThreads>& rows,
                         const std::array<std::uint32_t*, kWarpThreads>& registers, bool is_transposed) {
  const auto element = [&](int matrix, int row, int column) -> std::uint32_t {
    return rows[static_cast<std::size_t>(matrix * kMatrixRows + row)][column];
  };
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    const int outer = lane / kLanesPerRow;
    const int inner = 2 * (lane % kLanesPerRow);
    for (int matrix = 0; matrix < 4; ++matrix) {
      const std::uint32_t low = is_transposed ? element(matrix, inner, outer) : element(matrix, outer, inner);
      const std::uint32_t high = is_transposed ? element(matrix, inner + 1, outer) : element(matrix, outer, inner + 1);
      registers[static_cast<std::size_t>(lane)][matrix] = low | high << 16;
    }
  }
}

}  // namespace kvscope::gpu::interpreter
