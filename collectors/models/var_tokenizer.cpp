#include "collectors/models/var_tokenizer.h"

#include "collectors/models/libtorch_scope.h"

namespace kvscope {

VarTokenizer::VarTokenizer(const TensorGroup& group, const VarTokenizerConfig& config, at::Device device)
    : config_(config),
      autoencoder_(group, config.autoencoder, device),
      after_quantiser_(load_convolution(group, "post_quant_conv", device)) {
  if (config.autoencoder.has_encoder) before_quantiser_ = load_convolution(group, "quant_conv", device);
}

at::Tensor VarTokenizer::decode(const at::Tensor& map, const Observer& observer) const {
  const LibTorchScope scope;
  const at::Tensor latents = convolve(map, after_quantiser_);
  if (observer) observer("post_quant_conv", latents);
  return autoencoder_.decode(latents, observer).clamp_(-1.0, 1.0);
}

at::Tensor VarTokenizer::encode(const at::Tensor& image) const {
  const LibTorchScope scope;
  return convolve(autoencoder_.encode(image), before_quantiser_);
}

}  // namespace kvscope
