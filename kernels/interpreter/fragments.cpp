#include "kernels/interpreter/fragments.h"

#include "collectors/base/half.h"

#include <bit>
#include <cstring>
#include <utility>

namespace kvscope::gpu::interpreter {
namespace {

constexpr int kRows = 16;
constexpr int kColumns = 8;
constexpr int kDepth = 16;
constexpr int kLanesPerRow = 4;
constexpr int kMatrices = 4;
constexpr int kMatrixRows = 8;

/// All lanes' operands as the 16-bit elements of matrices, then as floats.
struct Operands {
  std::uint16_t a_bits[kRows][kDepth];
  std::uint16_t b_bits[kColumns][kDepth];  ///< transposed
  float a[kRows][kDepth];
  float b[kColumns][kDepth];
  float d[kRows][kColumns];
};

/// float_of_float16() without a branch, so that loops of it are vectors.
float float_of_half(std::uint16_t bits) {
  constexpr std::uint32_t kInfinityShifted = 0x7C00U << 13;
  constexpr std::uint32_t kAllExponentBits = 0x7F800000U;
  const std::uint32_t magnitude = (bits & 0x7FFFU) << 13;
  const std::uint32_t special = magnitude >= kInfinityShifted ? kAllExponentBits : 0U;
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F) | special |
                              sign);
}

template <typename Convert>
void convert(Operands& operands, const Convert& to_float_from) {
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kDepth; ++k) operands.a[row][k] = to_float_from(operands.a_bits[row][k]);
  }
  for (int column = 0; column < kColumns; ++column) {
    for (int k = 0; k < kDepth; ++k) operands.b[column][k] = to_float_from(operands.b_bits[column][k]);
  }
}

void gather(Operands& operands, const std::array<FragmentsOfLane, kWarpThreads>& lanes) {
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    const FragmentsOfLane& fragments = lanes[static_cast<std::size_t>(lane)];
    const int group = lane / kLanesPerRow;
    const int first = 2 * (lane % kLanesPerRow);
    for (int i = 0; i < 4; ++i) {
      std::memcpy(&operands.a_bits[group + 8 * (i % 2)][first + 8 * (i / 2)], fragments.a + i, sizeof(std::uint32_t));
    }
    for (int i = 0; i < 2; ++i) {
      std::memcpy(&operands.b_bits[group][first + 8 * i], fragments.b + i, sizeof(std::uint32_t));
      std::memcpy(&operands.d[group + 8 * i][first], fragments.d + 2 * i, 2 * sizeof(float));
    }
  }
}

void multiply(Operands& operands) {
  float b[kDepth][kColumns];
  for (int k = 0; k < kDepth; ++k) {
    for (int column = 0; column < kColumns; ++column) b[k][column] = operands.b[column][k];
  }
  for (int row = 0; row < kRows; ++row) {
    float sums[kColumns];
    for (int column = 0; column < kColumns; ++column) sums[column] = operands.d[row][column];
    for (int k = 0; k < kDepth; ++k) {
      const float factor = operands.a[row][k];
      for (int column = 0; column < kColumns; ++column) sums[column] += factor * b[k][column];
    }
    for (int column = 0; column < kColumns; ++column) operands.d[row][column] = sums[column];
  }
}

}  // namespace

void multiply_add_fragments(const std::array<FragmentsOfLane, kWarpThreads>& lanes, bool is_bfloat16) {
  Operands operands;
  gather(operands, lanes);
  if (is_bfloat16) {
    convert(operands, [](std::uint16_t bits) { return float_of_bfloat16(bits); });
  } else {
    convert(operands, [](std::uint16_t bits) { return float_of_half(bits); });
  }
  multiply(operands);
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    for (int i = 0; i < 2; ++i) {
      std::memcpy(lanes[static_cast<std::size_t>(lane)].d + 2 * i,
                  &operands.d[lane / kLanesPerRow + 8 * i][2 * (lane % kLanesPerRow)], 2 * sizeof(float));
    }
  }
}

void distribute_matrices(const std::array<const std::uint16_t*, kWarpThreads>& rows,
                         const std::array<std::uint32_t*, kWarpThreads>& registers, bool is_transposed) {
  std::uint16_t elements[kWarpThreads][kMatrixRows];  // [matrix * 8 + row, column]
  for (int row = 0; row < kWarpThreads; ++row) {
    std::memcpy(elements[row], rows[static_cast<std::size_t>(row)], sizeof(elements[row]));
  }
  if (is_transposed) {
    for (int matrix = 0; matrix < kMatrices; ++matrix) {
      std::uint16_t(*square)[kMatrixRows] = elements + matrix * kMatrixRows;
      for (int row = 0; row < kMatrixRows; ++row) {
        for (int column = 0; column < row; ++column) std::swap(square[row][column], square[column][row]);
      }
    }
  }
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    std::uint32_t* target = registers[static_cast<std::size_t>(lane)];
    for (int matrix = 0; matrix < kMatrices; ++matrix) {
      std::memcpy(target + matrix, &elements[matrix * kMatrixRows + lane / kLanesPerRow][2 * (lane % kLanesPerRow)],
                  sizeof(std::uint32_t));
    }
  }
}

}  // namespace kvscope::gpu::interpreter
