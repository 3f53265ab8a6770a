#pragma once

#include "collectors/base/array.h"
#include "collectors/base/element_type.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/text/t5_config.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace kvscope {

/// The encoder half of T5 v1.1 or Flan-T5 (t5_config.h), one text at a time and without padding, which changes nothing:
/// padded keys have the weight 0.
///
/// A block is x + o(softmax(q k^T + bias) v), then x + wo(gelu(wi_0 x) * wi_1 x), each of the RMSNorm of x; the scores
/// are not divided by the root of the head's width, and the bias of relative positions is block 0's in every block.
///
/// Element types: with bfloat16 the linear layers but `wo` run in it (LibTorch's float32 accumulation); the residual
/// stream, norms, attention, the gated product and `wo` are float32, since the activations of the large models reach
/// 1e5. With float32 everything is float32.
class T5Encoder {
 public:
  /// Refers to the mapped weights where types agree and `device` is the CPU.
  /// @param folder        of transformers: config.json and model.safetensors or pytorch_model.bin
  /// @param compute_type  float32 or bfloat16
  /// @throws Error  kBadInput naming file and tensor that is missing or wrongly shaped, or field of config.json;
  ///                kUsage for another compute type; kEnvironment for a GPU that cannot be used.
  [[nodiscard]] static T5Encoder open(const std::filesystem::path& folder,
                                      ElementType compute_type = ElementType::kFloat32,
                                      const ComputeDevice& device = {});
  ~T5Encoder();
  T5Encoder(T5Encoder&&) noexcept;
  T5Encoder& operator=(T5Encoder&&) noexcept;

  [[nodiscard]] const T5Config& config() const noexcept;

  /// Last hidden state, [tokens, width], after the last norm. Computed on the calling thread alone, so its bits depend
  /// on nothing else; may be called from several threads. Attention takes heads * tokens^2 floats.
  /// @param ids  at least one, each in [0, vocabulary)
  [[nodiscard]] Array<float> encode(std::span<const std::int32_t> ids) const;

 private:
  struct Network;
  explicit T5Encoder(std::unique_ptr<Network> network);
  std::unique_ptr<Network> network_;
};

}  // namespace kvscope
