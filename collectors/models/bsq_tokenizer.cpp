#include "collectors/models/bsq_tokenizer.h"

#include "collectors/models/libtorch_scope.h"

namespace kvscope {

BsqTokenizer::BsqTokenizer(const TensorGroup& group, const BsqTokenizerConfig& config, at::Device device)
    : config_(config), autoencoder_(group, config.autoencoder, device) {}

at::Tensor BsqTokenizer::decode(const at::Tensor& map, const Observer& observer) const {
  const LibTorchScope scope;
  return autoencoder_.decode(map, observer).clamp_(-1.0, 1.0);
}

at::Tensor BsqTokenizer::encode(const at::Tensor& image) const {
  return autoencoder_.encode(image);
}

}  // namespace kvscope
