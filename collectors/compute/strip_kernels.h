#pragma once

#include "collectors/base/element_type.h"

#include <cstdint>

namespace kvscope {

/// Keys per packed panel: four 512-bit vectors, so that a register tile of 6 queries x 64 keys fills 24 of
/// the 32 registers of AVX-512 and hides the latency of the multiply-add (4 cycles x 2 units = 8 tiles).
inline constexpr std::int64_t kPanelKeys = 64;
/// Channels are padded to a multiple of this: one 512-bit vector.
inline constexpr std::int64_t kChannelStep = 16;

/// One matrix product in float32: c[rows, columns] (+)= a[rows, depth] b[depth, columns].
///
/// Each element is one chain of multiply-adds over depth in ascending order, so a row's bits do not depend
/// on the other rows. Strides are in elements; `columns` is a multiple of kChannelStep; b and c are aligned
/// to 64 bytes, and so is every row of theirs.
struct Product {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t depth = 0;
  const float* a = nullptr;
  std::int64_t a_stride = 0;
  const float* b = nullptr;
  std::int64_t b_stride = 0;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  bool accumulate = false;
};

/// The kernels below the attention strip, for one instruction set. `count` of a row kernel is a multiple
/// of kPanelKeys, its row aligned to 64 bytes.
struct StripKernels {
  void (*to_float)(const void* source, ElementType type, std::int64_t count, float* target);
  /// panel[channel * kPanelKeys + t] = rows[t][channel] for kPanelKeys rows.
  void (*pack_key_panel)(const float* const* rows, std::int64_t head_dim, float* panel);
  void (*multiply)(const Product& product);
  float (*maximum)(const float* row, std::int64_t count);
  /// row[j] = exp(row[j] - shift); returns the sum. Relative error of one exponential below 2e-7; below
  /// exp(-87) it is 0.
  float (*exponentials)(float* row, std::int64_t count, float shift);
  /// row[j] *= factor, count a multiple of kChannelStep.
  void (*scale)(float* row, std::int64_t count, float factor);
  /// sums[j] += row[j], count a multiple of kChannelStep.
  void (*add)(const float* row, std::int64_t count, float* sums);
};

/// The kernels of simd_level().
[[nodiscard]] const StripKernels& strip_kernels();

}  // namespace kvscope
