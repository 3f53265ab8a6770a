#pragma once

#include "collectors/base/array.h"

#include <cstdint>

namespace kvscope {

/// Peak signal-to-noise ratio of two 8-bit images [height, width, 3]: 10 log10(255^2 / mean squared error over all
/// pixels and channels), in dB; +infinity for equal images.
/// @throws Error  kUsage if the shapes differ or are not [height, width, 3] with at least one pixel.
[[nodiscard]] double psnr(const Array<std::uint8_t>& a, const Array<std::uint8_t>& b);

/// Side of the window of ssim().
inline constexpr int kSsimWindow = 11;

/// Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004) of two 8-bit images [height, width, 3], in [-1, 1]:
/// the mean over all positions where the window fits of
///
///   (2 mu_a mu_b + C1) (2 cov_ab + C2) / ((mu_a^2 + mu_b^2 + C1) (var_a + var_b + C2)),   C1 = (0.01 * 255)^2, C2 =
///   (0.03 * 255)^2
///
/// with moments under an 11 x 11 Gaussian window of standard deviation 1.5 that sums to 1, on the luma
/// 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), at full resolution. Where a side is shorter than 11 the window is cut to
/// that side (the middle of the Gaussian, summing to 1 again), so that every image has a value. 1 exactly for equal
/// images. Cost: 2 * 11 * 5 multiplications per pixel.
/// @throws Error  as psnr().
[[nodiscard]] double ssim(const Array<std::uint8_t>& a, const Array<std::uint8_t>& b);

}  // namespace kvscope
