#pragma once

#include "collectors/models/infinity_config.h"
#include "collectors/models/infinity_schedule.h"
#include "collectors/models/rotary_embedding.h"
#include "collectors/models/tensor_group.h"
#include "collectors/models/transformer_blocks.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// Infinity's transformer (Han et al. 2024, arXiv 2412.04431) without its self-attention over the cache: its blocks,
/// what a text is made into, and what goes in at each scale.
///
/// Element types: see TransformerBlocks; AdaLN and the head are float32 always, as published, and so are RMSNorm,
/// embeddings and the softmax of pooling and cross attention, whose queries, keys, values and results are rounded to
/// the compute type. The published kernel rounds these to bfloat16 even in a float32 run; here only a bfloat16 run, as
/// published models are run, rounds.
///
/// Thread safety: const members may be called from several threads at once.
class InfinityTransformer {
 public:
  /// Refers to the checkpoint's mapped tensors where types agree and `device` is the CPU.
  /// @param text_tokens  most tokens of a text. The unconditional text is cut to it; where the file has fewer, zeros
  ///                     follow (the published loader lets random numbers follow)
  /// @param device       where it computes, and where its arguments are
  /// @throws Error  kBadInput if the schedule has more scales than the file has level embeddings.
  InfinityTransformer(const TensorGroup& group, const InfinityConfig& config, const InfinitySchedule& schedule,
                      std::int64_t text_tokens, at::ScalarType compute_type, at::Device device = at::kCPU,
                      LayerStorage storage = LayerStorage::kResident);

  [[nodiscard]] const InfinityConfig& config() const noexcept { return config_; }
  [[nodiscard]] const TransformerBlocks& blocks() const noexcept { return blocks_; }
  [[nodiscard]] std::int64_t text_tokens() const noexcept { return unconditional_text_.size(0); }

  /// What a text determines: RMSNorm, the pooled start vector with its AdaLN vectors, and keys and values of cross
  /// attention.
  /// @param text  [length, text_width] float32, length >= 1
  [[nodiscard]] TransformerBlocks::UnfinishedCondition condition(const at::Tensor& text) const;
  /// The text of an unconditional row whose sample has a prompt of so many tokens, [length, text_width].
  [[nodiscard]] at::Tensor unconditional_text(std::int64_t length) const;

  [[nodiscard]] const Rotation& rotation(int step) const { return rotations_.at(static_cast<std::size_t>(step)); }

  /// Input of step 0: start vector + start position + level, [1, C].
  [[nodiscard]] at::Tensor first_input(const RowCondition& condition) const;
  /// Input of step >= 1 from the values of its tokens [n, N_k, token_bits]; -> [n, N_k, C].
  [[nodiscard]] at::Tensor next_input(const at::Tensor& tokens, int step) const;

 private:
  /// @param text  after RMSNorm
  /// @return      [1, C] float32
  [[nodiscard]] at::Tensor pooled(const at::Tensor& text) const;

  InfinityConfig config_;
  TransformerBlocks blocks_;
  std::vector<Rotation> rotations_;  ///< of each step
  at::Tensor unconditional_text_;    ///< [text_tokens, text_width] float32
  at::Tensor text_norm_;             ///< [text_width] float32
  at::Tensor pooling_query_;         ///< [pooling_heads, 1, C / pooling_heads] float32
  LinearLayer pooling_key_value_, pooling_projection_;
  LinearLayer text_projection1_, text_projection2_;
  LinearLayer word_embedding_;
  at::Tensor start_position_;  ///< [1, C] float32
  at::Tensor levels_;          ///< [levels, C] float32
};

}  // namespace kvscope
