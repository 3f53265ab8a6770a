#pragma once

#include <cstdint>

namespace kvscope {

/// What the statistics pass does with every weight of a map, for one instruction set. Rows are those of
/// softmax_strip(): aligned to 64 bytes, filled up with zeros to a multiple of 64 columns.
struct MapKernels {
  /// sums[j] += sum_i strip[i, j] and squares[j] += sum_i strip[i, j]^2, in double and in order of i.
  /// `columns` is a multiple of 64.
  void (*add_column_moments)(const float* strip, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                             double* sums, double* squares);
  /// sum_j -a_j ln a_j in nats, 0 for weights of 0; `count` is a multiple of 64. Relative error below 2e-6.
  float (*entropy)(const float* row, std::int64_t count);
};

/// The kernels of simd_level().
[[nodiscard]] const MapKernels& map_kernels();

}  // namespace kvscope
