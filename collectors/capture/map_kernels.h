#pragma once

#include <cstdint>

namespace kvscope {

/// Lines of a grid of weights that go to rows of sums: sums[row, x] += weights[y, x] for every y, where
/// row = y + first_row, clipped to [0, last_row].
struct GridLines {
  const float* weights = nullptr;  ///< [lines, width] without gaps, not aligned
  std::int64_t lines = 0;
  std::int64_t width = 0;
  std::int64_t first_row = 0;  ///< of line 0; may be outside
  std::int64_t last_row = 0;
  std::int64_t stride = 0;  ///< from one row of sums to the next
  float* sums = nullptr;    ///< [last_row + 1, width]
};

/// Outputs of some queries beside those of the model, both [rows, channels] without gaps.
struct OutputRows {
  const float* output = nullptr;
  const float* expected = nullptr;  ///< may be null
  std::int64_t rows = 0;
  std::int64_t channels = 0;
};

struct OutputErrors {
  double squared_error = 0;  ///< sum of (output - expected)^2
  double squared_norm = 0;   ///< sum of expected^2
};

/// What the statistics pass does with every weight of a map, for one instruction set. Rows are those of
/// softmax_strip(): aligned to 64 bytes, filled up with zeros to a multiple of 64 columns.
struct MapKernels {
  /// sums[j] += sum_i strip[i, j] and squares[j] += sum_i strip[i, j]^2, in double and in order of i.
  /// `columns` is a multiple of 64.
  void (*add_column_moments)(const float* strip, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                             double* sums, double* squares);
  /// sum_j -a_j ln a_j in nats, 0 for weights of 0; `count` is a multiple of 64. Relative error below 2e-6.
  float (*entropy)(const float* row, std::int64_t count);
  /// Reads and writes nothing beside the lines' `width`.
  void (*add_lines)(const GridLines& lines);
  /// sums[c] += sum_i output[i, c] in double and in order of i; the errors are 0 where nothing is expected.
  OutputErrors (*add_output)(const OutputRows& rows, double* sums);
  /// sum_c row[c]^2 in double; any alignment and count.
  double (*square_norm)(const float* row, std::int64_t count);
};

/// The kernels of simd_level().
[[nodiscard]] const MapKernels& map_kernels();

}  // namespace kvscope
