#include "collectors/models/image_pixels.h"

namespace kvscope {

at::Tensor pixels_of_image(at::Tensor image) {
  return image.add_(1).mul_(0.5).mul_(255).to(at::kByte)[0].permute({1, 2, 0});  // the conversion truncates
}

at::Tensor image_of_pixels(const at::Tensor& pixels, at::Device device) {
  const at::Tensor image = pixels.permute({2, 0, 1}).unsqueeze(0).contiguous().to(at::kFloat).to(device);
  return image.mul(2.0 / 255.0).sub_(1.0);
}

}  // namespace kvscope
