#pragma once

#include <ATen/core/Tensor.h>

namespace kvscope {

/// Pixels of an image [1, 3, h, w] in [-1, 1], which is used up: [h, w, 3] uint8, (x + 1) / 2 * 255 truncated as in the
/// published codes, red first.
[[nodiscard]] at::Tensor pixels_of_image(at::Tensor image);

/// Pixels [h, w, 3] uint8 as an image [1, 3, h, w] float32 in [-1, 1] on `device`.
[[nodiscard]] at::Tensor image_of_pixels(const at::Tensor& pixels, at::Device device);

}  // namespace kvscope
