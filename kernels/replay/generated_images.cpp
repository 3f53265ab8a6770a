#include "kernels/replay/generated_images.h"

namespace kvscope {

Array<std::uint8_t> generated_images(GenerationSession& session) {
  const at::Tensor images = session.images().contiguous();
  const std::uint8_t* pixels = images.const_data_ptr<std::uint8_t>();
  return {Shape(images.sizes().begin(), images.sizes().end()), {pixels, pixels + images.numel()}};
}

}  // namespace kvscope
